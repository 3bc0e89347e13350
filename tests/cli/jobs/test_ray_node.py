"""The part of a Ray task on its node, in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from autodas.child_process import start_child
from autodas.cli.jobs import Job, _ray_node
from autodas.cli.jobs._ray_node import MARKER, Attempt, Ended, Started, run_attempt
from autodas.errors import AutodasError

PROGRAM = """
import os, pathlib, sys, time
run = pathlib.Path(sys.argv[1])
(run / "checkpoints").mkdir(parents=True, exist_ok=True)
print("before", (run / "checkpoints/last.pt").exists(), os.environ["MINE"], flush=True)
(run / "events.jsonl").write_text("{}")
(run / "new.tmp").write_text("state")
(run / "new.tmp").rename(run / "checkpoints/last.pt")
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end and not (run / "go").exists():
    time.sleep(0.01)
(run / "summary.json").write_text("{}")
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start(words: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with open(log, "ab") as output:
            return start_child(
                [sys.executable, "-c", PROGRAM, *words], stdout=output, environment=environment
            )

    monkeypatch.setattr(_ray_node, "start_command", start)
    monkeypatch.setattr(_ray_node, "_PAUSE", 0.02)
    monkeypatch.chdir(tmp_path)


def attempt(folder: Path, *commands: tuple[str, str], token: str = "token") -> Attempt:
    parts = {f"run{n}": (str(folder / f"run{n}"), *words) for n, words in enumerate(commands)}
    return Attempt(Job("job", folder, parts), Path.cwd(), token, {"MINE": "7"})


def shared(folder: Path, token: str = "token") -> Path:
    folder.mkdir()
    (folder / MARKER).write_text(token)
    return folder


def test_on_a_shared_file_system_nothing_is_copied(tmp_path: Path) -> None:
    wanted = attempt(shared(tmp_path / "job"), ("0", "0"), ("0", "4"), ("0", "0"))
    events = list(run_attempt(wanted, lambda: pytest.fail("files are read")))
    kinds = [(type(event), event[0]) for event in events if isinstance(event, Started | Ended)]
    assert kinds == [(Started, "run0"), (Ended, "run0"), (Started, "run1"), (Ended, "run1")]
    assert events[-1] == Ended("run1", 4)
    assert wanted.job.log.read_text().splitlines()[0] == "before False 7"


@pytest.mark.parametrize("again", [False, True])
def test_elsewhere_files_go_there_and_come_back(tmp_path: Path, again: bool) -> None:
    """Also where an earlier attempt has left its files."""
    folder = tmp_path / "job"
    if again:
        list(run_attempt(attempt(folder, ("0", "1")), dict))
        assert (folder / "run0/summary.json").exists()
    wanted = attempt(folder, ("60", "0"))
    driver = {"run0/checkpoints/last.pt": b"old state", "log.txt": b"first\n"}
    events = run_attempt(wanted, lambda: driver)
    started = next(events)
    assert isinstance(started, Started)
    assert started.part == "run0"
    copies = next(events)  # while it runs, since there is a new checkpoint
    assert isinstance(copies, dict)
    assert copies["run0/checkpoints/last.pt"] == b"state"
    assert copies["run0/events.jsonl"] == b"{}"
    assert copies["log.txt"] == b"first\nbefore True 7\n"
    (folder / "run0/go").touch()
    *others, ended = events
    assert ended == Ended("run0", 0)
    last: dict[str, bytes] = {}
    for other in others:
        assert isinstance(other, dict)
        last |= other
    assert last["run0/summary.json"] == b"{}"
    assert "run0/events.jsonl" not in last, "it has not changed"


def test_a_folder_there_that_is_no_copy_is_kept(tmp_path: Path) -> None:
    folder = shared(tmp_path / "job", "another comparison")
    with pytest.raises(AutodasError, match=r"job: exists on node .*, and is no copy: delete it there, or"):
        next(run_attempt(attempt(folder, ("0", "0")), dict))
    assert [path.name for path in folder.iterdir()] == [MARKER]


def test_a_task_that_is_cancelled_stops_its_command(tmp_path: Path) -> None:
    events = run_attempt(attempt(shared(tmp_path / "job"), ("60", "0")), dict)
    started = next(events)
    assert isinstance(started, Started)
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt())
    with pytest.raises(ProcessLookupError):
        os.kill(started.process, 0)


def test_a_folder_that_cannot_be_created_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AutodasError, match=r"file/job: cannot be written on node .*: Not a directory; "):
        next(run_attempt(attempt(tmp_path / "file" / "job", ("0", "0")), dict))
