"""Files of a job between machines that share no file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autodas.cli.jobs import _copies
from autodas.cli.jobs._copies import Changes, read_copies, write_copies

FILES = {
    "log.txt": b"line\n",
    "search/config.yaml": b"epochs: 1\n",
    "search/events.jsonl": b"{}\n",
    "search/checkpoints/last.pt": b"state",
    "search/summary.json": b"{}",
}


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES.get(name, b"other"))


def test_what_resuming_needs_and_no_more(tmp_path: Path) -> None:
    others = ("driver.tmp", "search/running.json", "search/tensorboard/events.1", "search/config.yaml.tmp")
    put(tmp_path / "here", *FILES, *others)
    copies = read_copies(tmp_path / "here")
    assert copies == FILES
    write_copies(tmp_path / "there", copies)
    assert read_copies(tmp_path / "there") == FILES


def test_a_checkpoint_after_its_logs_and_the_summary_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(_copies, "write_whole", lambda path, content: written.append(path.name))
    write_copies(tmp_path, dict(reversed(FILES.items())))
    assert written[-2:] == ["last.pt", "summary.json"]
    assert sorted(written[:-2]) == ["config.yaml", "events.jsonl", "log.txt"]


def test_changes_since_the_last_copy(tmp_path: Path) -> None:
    put(tmp_path, "log.txt", "search/config.yaml")
    changes = Changes(tmp_path)
    assert changes.take() == {}
    put(tmp_path, "search/events.jsonl")
    assert not changes.checkpoint()
    put(tmp_path, "search/checkpoints/last.pt")
    assert changes.checkpoint()
    assert list(changes.take()) == ["search/checkpoints/last.pt", "search/events.jsonl"], "read in this order"
    assert not changes.checkpoint()
    os.utime(tmp_path / "search/checkpoints/last.pt", (1, 1))
    assert changes.checkpoint()
    assert list(changes.take()) == ["search/checkpoints/last.pt"]
