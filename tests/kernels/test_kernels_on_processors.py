"""The compiled kernels for the processors that users have, not only for this one."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from autodas.kernels._build import FLAGS


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86 processors")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="the warning is GCC's")
@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3", "x86-64-v4", "native"])
def test_vectors_fit_in_a_register(processor: str, tmp_path: Path) -> None:
    """GCC warns of vectors that it has to split: in memory, a search takes four times as long."""
    source = files("autodas.kernels") / "kernels.c"
    # What does not fit is split before anything is optimised, so that need not be waited for.
    flags = [*FLAGS, f"-march={processor}", "-O0", "-Wvector-operation-performance"]
    command = ["gcc", *flags, str(source), "-o", str(tmp_path / "kernels.so")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "warning" not in done.stderr, done.stderr.splitlines()[:3]
