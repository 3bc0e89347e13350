"""One run at a time in a folder, and what a killed one has left is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.runs import _lock
from autodas.runs._lock import RunLock
from autodas.runs.folder import RUNNING, RunFolder


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as process:
        yield process  # type: ignore[misc]
        process.kill()


def held_by(folder: Path, process: int, **changes: object) -> Path:
    """A lock as another process would have written it."""
    folder.mkdir(exist_ok=True)
    facts = {**_lock._place(), "process": process, "started": _lock._start_of(process), "since": 0.0}
    (folder / RUNNING).write_text(json.dumps({**facts, **changes}))
    return folder


def test_a_folder_in_use_is_refused_to_all_that_would_write(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    folder = RunFolder(held_by(tmp_path / "run", sleeper.pid))
    folder.write("config.yaml", "epochs: 1\n")
    before = sorted(p.name for p in folder.path.iterdir())
    for attempt in (
        lambda: folder.create(overwrite=True),
        folder.check_free,
        lambda: folder.locked().__enter__(),
    ):
        with pytest.raises(AutodasError, match=f"process {sleeper.pid} is running there") as caught:
            attempt()
        assert "\n" not in str(caught.value)
        assert sorted(p.name for p in folder.path.iterdir()) == before


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    folder = RunFolder(held_by(tmp_path / "run", sleeper.pid))
    sleeper.kill()
    sleeper.wait()
    with folder.locked():
        assert json.loads((folder.path / RUNNING).read_text())["process"] == os.getpid()
    assert list(folder.path.iterdir()) == []


def test_another_process_with_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    # Numbers are used again; the time of the start is not.
    with RunFolder(held_by(tmp_path / "run", os.getpid(), started="1")).locked():
        pass
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_of_another_machine_is_trusted_while_it_gives_signs_of_life(tmp_path: Path) -> None:
    folder = held_by(tmp_path / "run", 1, host="elsewhere")
    message = r"process 1 of elsewhere is running there.*delete .*running\.json"
    with pytest.raises(AutodasError, match=message):
        RunLock(folder / RUNNING).acquire()
    long_ago = time.time() - _lock.SILENCE - 1
    os.utime(folder / RUNNING, (long_ago, long_ago))
    with RunFolder(folder).locked():
        pass


def test_a_lock_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lock, "BEAT", 0.02)
    with RunFolder(tmp_path).locked():
        os.utime(tmp_path / RUNNING, (0, 0))
        limit = time.monotonic() + 20
        while (tmp_path / RUNNING).stat().st_mtime == 0:
            assert time.monotonic() < limit
            time.sleep(0.01)


def test_two_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path).locked(),
        pytest.raises(AutodasError, match="is running there"),
        RunFolder(tmp_path).locked(),
    ):
        pass
    with RunFolder(tmp_path).locked():
        pass


@pytest.mark.parametrize(
    "content",
    [
        "[1, 2]",
        '{"host": "a", "machine": [], "process": 1e400, "started": null}',
        '{"host": "a", "machine": [], "process": -3, "started": null}',
        '{"host": "a", "machine": "b", "process": 3, "started": null}',
        "[" * 100_000,
    ],
    ids=["list", "infinite", "negative", "text", "deep"],
)
def test_a_foreign_file_of_that_name_is_not_touched(content: str, tmp_path: Path) -> None:
    (tmp_path / RUNNING).write_text(content)
    with pytest.raises(AutodasError, match=r"running\.json: invalid lock; delete it"):
        RunLock(tmp_path / RUNNING).acquire()
    assert (tmp_path / RUNNING).read_text() == content


@pytest.mark.parametrize(
    "beginning", ["config.yaml.tmp", f"{RUNNING}.123.tmp", f"{RUNNING}.123.left.tmp", "checkpoints/"]
)
def test_unfinished_beginnings_are_taken_over(tmp_path: Path, beginning: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    if beginning.endswith("/"):
        (folder / beginning).mkdir()
    else:
        (folder / beginning).write_text("epo")
    run = RunFolder(folder)
    run.check()
    with run.locked():
        run.create().write("config.yaml", "epochs: 1\n")
    assert sorted(p.name for p in folder.iterdir()) == ["checkpoints", "config.yaml"]


def test_other_beginnings_are_not(tmp_path: Path) -> None:
    for name in ("thesis.tmp", "config.yaml.tmp.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("mine")
        with pytest.raises(AutodasError, match="not empty, and not a run"):
            RunFolder(tmp_path / name).check()


def test_overwriting_may_be_killed_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = 0

    class KilledError(Exception):
        pass

    unlink = os.unlink
    for before in range(6):
        folder = RunFolder(tmp_path / f"run{before}").create()
        for name in ("config.yaml", "checkpoints/last.pt", "summary.json", "examples/1.png", "a.csv"):
            folder.write(name, "x")
        left = before

        def unlink_or_die(path: object, **options: object) -> None:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1
            unlink(path, **options)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", unlink_or_die)
            if before < 5:
                with pytest.raises(KilledError):
                    folder.create(overwrite=True)
            else:
                folder.create(overwrite=True)
        # Never a run that could be gone on with, and whose parts are missing.
        assert not folder.checkpoint.exists() or (folder.path / "summary.json").exists()
        folder.create(overwrite=True)
        assert [p.name for p in folder.path.iterdir()] == ["checkpoints"]


def test_only_the_lock_of_the_process_that_died_elsewhere_is_removed(tmp_path: Path) -> None:
    folder = RunFolder(held_by(tmp_path / "run", 7, host="node3", machine=["another"]))
    for host, process in (("node3", 8), ("node4", 7)):
        folder.unlock(host, process)
        with pytest.raises(AutodasError, match="process 7 of node3 is running there"):
            folder.check_free()
    folder.unlock("node3", 7)
    folder.check_free()
    assert list(folder.path.iterdir()) == []
    folder.unlock("node3", 7)  # a process that had no time to lock it
