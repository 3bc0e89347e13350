"""Files that are complete or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.writing import write_whole
from autodas.zoo import load_zoo


def test_text_and_bytes(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "zwölf\n")
    write_whole(tmp_path / "b", b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == "zwölf\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genotype, path = load_zoo("darts_v2"), tmp_path / "genotype.json"
    genotype.save(path)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AutodasError, match="No space left on device; the existing file is kept"):
        load_zoo("snas_mild").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match=r"a/b: cannot be written: No such file or directory$"):
        write_whole(tmp_path / "a/b", "x")
