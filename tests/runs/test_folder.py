from __future__ import annotations

import os
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.runs.folder import RunFolder


def a_run(path: Path) -> RunFolder:
    folder = RunFolder(path).create()
    folder.write("config.yaml", "epochs: 1\n")
    folder.write("checkpoints/last.pt", b"weights")
    return folder


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_makes_all_folders_on_the_way(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a/b/run").create()
    assert folder.checkpoint == tmp_path / "a/b/run/checkpoints/last.pt"
    assert folder.checkpoint.parent.is_dir()
    assert not folder.exists
    folder.write("config.yaml", "")
    assert folder.exists


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert RunFolder(tmp_path / "run").create().checkpoint.parent.is_dir()


def test_an_empty_folder_stays_the_one_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A link to a larger disk, a mount point, the working folder: none of them can be made anew.
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "scratch")
    RunFolder(tmp_path / "run").create()
    assert (tmp_path / "scratch/checkpoints").is_dir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert RunFolder(".").create().checkpoint.parent.is_dir()


def test_a_run_is_not_lost(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    before = content(tmp_path)
    with pytest.raises(AutodasError, match=r"already holds a run.*`resume=.*`overwrite`") as caught:
        RunFolder(tmp_path / "run").create()
    assert "\n" not in str(caught.value)
    assert content(tmp_path) == before


def test_a_run_made_in_python_is_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    folder.write("events.jsonl", "{}\n")
    folder.write("genotype.json", "{}")
    assert folder.exists
    with pytest.raises(AutodasError, match=r"already holds a run.*`overwrite`"):
        RunFolder(tmp_path / "run").create()
    assert content(RunFolder(tmp_path / "run").create(overwrite=True).path) == {}


def test_overwrite_replaces_all_of_it(tmp_path: Path) -> None:
    a_run(tmp_path / "run").write("examples/1.png", b"old")
    folder = RunFolder(tmp_path / "run").create(overwrite=True)
    assert content(folder.path) == {}
    assert folder.checkpoint.parent.is_dir()


@pytest.mark.parametrize("overwrite", [False, True])
def test_foreign_files_are_not_touched(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.tex").write_text("ten years of work")
    with pytest.raises(AutodasError, match="not empty, and not a run"):
        RunFolder(tmp_path / "thesis").create(overwrite=overwrite)
    assert content(tmp_path) == {"thesis/chapter1.tex": b"ten years of work"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_its_place(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(AutodasError, match="is a file"):
        RunFolder(tmp_path / "run").create(overwrite=overwrite)
    with pytest.raises(AutodasError, match="cannot be created"):
        RunFolder(tmp_path / "run/below").create()
    assert (tmp_path / "run").read_text() == "x"


def test_files_are_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_run(tmp_path / "run")
    folder.write("deep/er/file.txt", "first")

    def fail(descriptor: int) -> None:
        # At the moment of the flush the old file is still complete.
        assert (folder.path / "deep/er/file.txt").read_text() == "first"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AutodasError, match="No space left"):
        folder.write("deep/er/file.txt", "second")
    assert (folder.path / "deep/er/file.txt").read_text() == "first"
    assert [p.name for p in (folder.path / "deep/er").iterdir()] == ["file.txt"]


def test_json_round_trip_and_errors(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    facts = {"accuracy": 98.5, "classes": ["null", "eins", "zwölf"], "best": None}
    folder.write_json("summary.json", facts)
    assert folder.read_json("summary.json") == facts
    with pytest.raises(AutodasError, match=r"missing; is .* the folder of a finished run"):
        folder.read_json("absent.json")
    for broken in (b"", b'{"a": 1', b"\xff\xfe"):
        folder.write("broken.json", broken)
        with pytest.raises(AutodasError, match=r"broken\.json: (broken|.*not a text file in UTF-8)"):
            folder.read_json("broken.json")
