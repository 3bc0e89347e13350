"""Indices of videos on disk: found again, never believed when damaged, never in the way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from tests.data.bar_codes import texture
from tests.data.videos import write_video

from autodas.data.frames import _index_store as _video_index_store
from autodas.data.frames._clock import Clock
from autodas.data.frames._index import FrameIndex, Key, read_index
from autodas.data.frames._index_store import kept_index
from autodas.data.frames._pixels import Orientation

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database of this test."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(_video_index_store, "cache_folder", lambda name: folder / name)
    return folder / "videos/indices.sqlite"


@pytest.fixture
def video(tmp_path: Path) -> str:
    return str(write_video(tmp_path / "a.mp4", texture(20), key_every=5))


def never(path: str) -> FrameIndex:
    raise AssertionError("read again")


def assert_same(found: FrameIndex, expected: FrameIndex) -> None:
    facts = ((*index[:-1], *(index.clock or ())) for index in (found, expected))
    for one, other in zip(*facts, strict=True):
        assert np.array_equal(one, other)
        assert type(one) is type(other)


def test_read_once(video: str) -> None:
    expected = read_index(video)
    assert_same(kept_index(video, read_index), expected)
    assert_same(kept_index(video, never), expected)


def test_another_process_finds_it(video: str, tmp_path: Path) -> None:
    code = (
        "import sys; from autodas.data.frames import _index_store as s;"
        "from autodas.data.frames._index import read_index; from pathlib import Path;"
        "s.cache_folder = lambda name: Path(sys.argv[2]) / name; s.kept_index(sys.argv[1], read_index)"
    )
    subprocess.run([sys.executable, "-c", code, video, str(tmp_path / "cache")], check=True)
    assert_same(kept_index(video, never), read_index(video))


@pytest.mark.parametrize("timed", [False, True])
def test_all_fields_come_back(video: str, timed: bool) -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(-(2**62), 2**62, (3, len(Key._fields)))
    clock = Clock(30000 / 1001, np.cumsum(rng.integers(1, 2**40, 7)) if timed else None)
    index = FrameIndex(7, 3, 5, Orientation(True, False, True), rng.permutation(9), keys, clock)
    assert_same(kept_index(video, lambda path: index), index)
    assert_same(kept_index(video, never), index)


def test_a_file_that_changes_is_read_again(video: str) -> None:
    assert kept_index(video, read_index).frames == 20
    write_video(Path(video), texture(12), key_every=5)
    assert kept_index(video, read_index).frames == 12


@pytest.mark.parametrize("damage", ["no database", "cut", "rows", "flipped", "bomb", "shape"])
def test_damage_is_made_good_in_silence(
    cache: Path, video: str, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = kept_index(video, read_index)
    if damage == "no database":
        cache.write_bytes(b"something else" * 1000)
    elif damage == "cut":
        cache.write_bytes(cache.read_bytes()[:5000])
    elif damage == "rows":
        with sqlite3.connect(cache) as database:
            database.execute("UPDATE indices SET content = X'789c00'")
        database.close()
    elif damage in ("bomb", "shape"):
        text = b"0" * (300 << 20) if damage == "bomb" else b'{"size": [1e400, 2], "packets": -1}\n'
        with sqlite3.connect(cache) as database:
            database.execute("UPDATE indices SET content = ?", (zlib.compress(text, 1),))
        database.close()
    else:
        content = bytearray(cache.read_bytes())
        for place in range(100, len(content), 7):
            content[place] ^= 0xFF
        cache.write_bytes(content)
    assert_same(kept_index(video, read_index), expected)
    assert_same(kept_index(video, never), expected)
    assert capfd.readouterr() == ("", "")


def test_no_place_to_keep_it(video: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file"):
        monkeypatch.setattr(_video_index_store, "cache_folder", lambda name, folder=folder: folder)
        assert kept_index(video, read_index).frames == 20


def test_the_database_stays_small(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_video_index_store, "_MOST_BYTES", 1 << 17)
    rng = np.random.default_rng(0)
    none = np.zeros((0, len(Key._fields)), dtype=np.int64)
    for number in range(60):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(b"")
        index = FrameIndex(1, 1, 1, Orientation(), rng.integers(-(2**62), 2**62, 1000), none, None)
        assert_same(kept_index(str(path), lambda path, index=index: index), index)
        assert_same(kept_index(str(path), never), index)  # the newest is always there
    assert cache.stat().st_size <= 1 << 17
