"""``--dry_run`` on videos: how long it takes to store frames and flow is told, and nothing is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.data.videos import write_classes

from autodas.cli.main import main

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "options", [("--data.modality=flow", "--data.flow=dis"), ("--data.storage=compressed",)]
)
def test_time_to_store_is_predicted(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--data.modality=flow" in options:
        pytest.importorskip("cv2.optflow")
    write_classes(tmp_path / "actions", train=4)
    before = sorted(tmp_path.rglob("*"))
    words = ["train", "bninception-3d", "--width=0.125", f"--data=videofolder:{tmp_path / 'actions'}"]
    words += ["--data.frames=4", "--data.image_size=16", "--epochs=2", "--batch_size=4", "--test_clips=1"]
    cache = tmp_path / "cache"
    assert main([*words, *options, f"--data.cache={cache}", "--dry_run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert 0 < facts["storing_seconds"] < 600
    assert facts["storing"].startswith("frames" if "storage" in options[0] else "optical flow (dis)")
    assert facts["time_seconds"] > 0
    assert sorted(tmp_path.rglob("*")) == before
