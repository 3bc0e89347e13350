"""Which folders are runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.runs.finding import find_runs, is_run, runs_below


def a_run(path: Path, file: str = "events.jsonl") -> Path:
    path.mkdir(parents=True)
    (path / file).write_text("")
    return path


def test_one_of_two_files_makes_a_run(tmp_path: Path) -> None:
    assert is_run(a_run(tmp_path / "a"))
    assert is_run(a_run(tmp_path / "b", "config.yaml"))
    assert not is_run(a_run(tmp_path / "c", "genotype.json"))


def test_runs_below_a_folder(tmp_path: Path) -> None:
    wanted = [a_run(tmp_path / name) for name in ("a", "b/1/2", "b/3")]
    a_run(tmp_path / "a/inside")  # of a run
    a_run(tmp_path / ".hidden/d")
    a_run(tmp_path / "1/2/3/4/5")  # too deep
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert list(runs_below(tmp_path)) == wanted


def test_each_run_once(tmp_path: Path) -> None:
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    assert find_runs([b, tmp_path, tmp_path / "b/../a"]) == [b, a]
    (tmp_path / "empty").mkdir()
    assert find_runs([tmp_path / "empty"]) == [tmp_path / "empty"], "a run whose files are missing"
    with pytest.raises(AutodasError, match="no such folder"):
        find_runs([tmp_path / "absent"])
