"""Environments that `make` would make, without making them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def planned(checkout: Path, target: str) -> list[str]:
    """Return what a target would install, as extras."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=checkout, capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if "pip install" in line]
    return [line.rpartition("[")[2].partition("]")[0] for line in lines]


def test_a_demo_installs_what_users_need(checkout: Path) -> None:
    assert planned(checkout, "demo") == planned(checkout, "demo-video") == ["all"]
    assert planned(checkout, "lint") == ["dev"]


def test_there_is_one_environment(checkout: Path) -> None:
    (checkout / ".venv/.installed-demo").touch()
    assert planned(checkout, "demo") == []
    assert planned(checkout, "lint") == ["dev"]
    (checkout / ".venv/.installed").touch()
    assert planned(checkout, "demo") == planned(checkout, "lint") == []
    # The inputs of the environment have changed.
    (checkout / "constraints.txt").touch()
    assert planned(checkout, "demo") == ["all"]
