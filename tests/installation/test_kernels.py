"""Kernels that a compiler makes wrong, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autodas.installation._computing import TOLERANCE, kernel_error
from autodas.kernels import compiled_library

pytestmark = pytest.mark.slow

SCRIPT = (
    "from autodas.installation._computing import compiled_kernels\n"
    "for finding in compiled_kernels(): print(finding.state, finding.text)"
)


def kernels(tmp_path: Path, **variables: str) -> str:
    environment = {**os.environ, "AUTODAS_CACHE": str(tmp_path), **variables}
    environment.pop("AUTODAS_KERNELS", None) if "AUTODAS_KERNELS" not in variables else None
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_right_ones() -> None:
    if compiled_library() is None:
        pytest.skip("no compiler here")
    assert kernel_error() < TOLERANCE / 10


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_wrong_ones(tmp_path: Path) -> None:
    # A compiler that takes another function for the square root, which normalises.
    found = kernels(tmp_path, CC="gcc -Dsqrtf=fabsf")
    assert found.startswith("broken compiled (gcc")
    assert "but wrong by " in found
    # The remedy helps: what that compiler has made is not taken for the work of another.
    assert kernels(tmp_path, CC="gcc").startswith("ok compiled (gcc")


@pytest.mark.parametrize(
    ("variables", "reason", "remedy"),
    [
        ({"CC": "", "PATH": ""}, "there is no C compiler", "install gcc or clang with OpenMP"),
        ({"CC": "false"}, "false fails", "install gcc or clang with OpenMP"),
        ({"AUTODAS_KERNELS": "plain"}, "AUTODAS_KERNELS=plain", "unset AUTODAS_KERNELS"),
    ],
)
def test_none(tmp_path: Path, variables: dict[str, str], reason: str, remedy: str) -> None:
    found = kernels(tmp_path, **variables)
    assert found.startswith(f"limited plain ({reason}")
    assert found.endswith(f"two to three times as long: {remedy}\n")
