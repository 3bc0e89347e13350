"""What tests of run folders share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs of version 0.1.0, copied, with the working folder where they were made."""
    folder = Path(shutil.copytree(RECORDED, tmp_path / "recorded"))
    monkeypatch.chdir(folder)
    return folder
