"""The campaign of kills sees what it is there to see."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import kills

    return kills


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.mark.parametrize("last", range(1, 8))
def test_a_trap_kills_before_the_call_of_its_number(
    last: int, kills: ModuleType, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    def command(words: list[str]) -> int:
        folder.mkdir()
        (folder / "a.tmp").write_text("a")
        (folder / "a.tmp").rename(folder / "a")
        (folder / "b").write_text("b")
        (folder / "b").unlink()
        (tmp_path / "elsewhere").write_text("does not count")
        return 0

    monkeypatch.setattr(kills, "main", command)
    run = kills.Run([], log, kills.Trap(folder, last).set)
    assert run.wait(60)
    assert run.code == (-signal.SIGKILL if last <= 5 else 0)
    left = sorted(p.name for p in folder.iterdir()) if folder.exists() else None
    assert left == {1: None, 2: [], 3: ["a.tmp"], 4: ["a"], 5: ["a", "b"]}.get(last, ["a"])


@pytest.mark.slow
def test_orphans_are_found_and_ended(kills: ModuleType, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(words: list[str]) -> int:
        import subprocess

        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
        return 0

    monkeypatch.setattr(kills, "main", command)
    monkeypatch.setattr(kills, "GRACE", 0.5)
    run = kills.Run([], log)
    assert run.wait(60)
    assert len(run.orphans()) == 1
    assert run.orphans() == []


def test_differences_are_found_and_times_are_none(kills: ModuleType, tmp_path: Path) -> None:
    for name, seconds in (("whole", 1.0), ("other", 2.0)):
        folder = tmp_path / name
        (folder / "checkpoints").mkdir(parents=True)
        event = {"event": "epoch", "loss": 0.5, "volatile": {"seconds": seconds}}
        (folder / "events.jsonl").write_text(json.dumps(event) + "\n")
        state = {"weights": torch.ones(3), "clock": seconds, "threads": 1}
        torch.save({"state": state}, folder / "checkpoints/last.pt")
    whole, other = tmp_path / "whole", tmp_path / "other"
    assert kills.differences(whole, other) == []
    torch.save({"state": {"weights": torch.ones(3) + 1e-7, "threads": 1}}, other / "checkpoints/last.pt")
    (other / "config.yaml.tmp").write_text("")
    (whole / "genotype.json").write_text("{}")
    assert kills.differences(whole, other) == [
        "checkpoints/last.pt",
        "genotype.json is missing",
        "config.yaml.tmp is left",
    ]
