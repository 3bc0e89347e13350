"""Images that are decoded once and kept on disk: the same as without, and never half of it."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autodas.cli.main import main
from autodas.data import ImageDataset, open_dataset, store_folders
from autodas.data import _assemble as assemble
from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels import _kept_images as kept_images
from autodas.data.pixels._sources import FileSource

pytestmark = pytest.mark.slow

Maker = Callable[..., Path]


@pytest.fixture
def root(make_folder: Maker) -> Path:
    return make_folder(count=12, width=40)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the places that are decoded, as they are."""
    found: list[int] = []
    decode = assemble._decode

    def counted(part: Any, *arguments: Any) -> Any:
        found.extend([part.selection[p] for p in arguments[0]])
        return decode(part, *arguments)

    monkeypatch.setattr(assemble, "_decode", counted)
    return found


def opened(root: Path, cache: Path, storage: str = "cache", **options: Any) -> ImageDataset:
    return open_dataset(f"imagefolder:{root}", storage=storage, cache=str(cache), image_size=16, **options)


def assert_same(one: ImageDataset, other: ImageDataset) -> None:
    for name in ("train", "test"):
        a, b = getattr(one, name), getattr(other, name)
        assert torch.equal(a.pixels, b.pixels)
        assert a.paths == b.paths
        np.testing.assert_array_equal(a.labels, b.labels)
    assert (one.mean, one.std, one.notes, one.bad) == (other.mean, other.std, other.notes, other.bad)


def test_decoded_once(
    root: Path, cache: Path, decoded: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = opened(root, cache, "memory")
    assert len(decoded) == 24
    assert not cache.exists()
    assert_same(opened(root, cache), expected)
    assert len(decoded) == 48
    told = capsys.readouterr().err
    assert f"decoded images are stored in {cache}" in told
    assert "'autodas data cache' lists and clears them" in told
    for storage in ("cache", "auto"):
        assert_same(opened(root, cache, storage), expected)
        assert len(decoded) == 48
    assert capsys.readouterr().err == ""
    # Other pixels are other files.
    opened(root, cache, channels=1)
    assert len(decoded) == 72
    assert opened(root, cache, channels=1).train.pixels.shape[1] == 1  # type: ignore[union-attr]
    assert_same(opened(root, cache), expected)
    assert len(decoded) == 72


def test_only_what_takes_long_is_kept_unasked(
    root: Path, cache: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(root, cache, "auto")
    assert not cache.exists()
    monkeypatch.setattr(assemble, "_LONG", -1)
    opened(root, cache, "auto")
    assert len(decoded) == 48
    opened(root, cache, "auto")
    assert len(decoded) == 48


def test_unreadable_and_clipped_images_are_remembered(
    make_folder: Maker, cache: Path, decoded: list[int]
) -> None:
    root = make_folder(count=12, width=40)
    for path in sorted(root.rglob("*.png"))[::5]:
        path.write_bytes(path.read_bytes()[:-60])
    deep = sorted(root.rglob("*.png"))[1]
    Image.fromarray(np.full((40, 40), 50_000, np.uint16)).save(deep)
    options: dict[str, Any] = {"max_bad": 0.5, "value_range": (0, 4095), "channels": 1}
    expected = opened(root, cache, "memory", **options)
    assert len(expected.bad) == 5
    assert any("1 images have values beyond the range" in note for note in expected.notes)
    assert_same(opened(root, cache, **options), expected)
    decoded.clear()
    assert_same(opened(root, cache, **options), expected)
    assert len(decoded) == 5, "what could not be read is tried again"


def test_what_becomes_readable_is_mended(
    root: Path, cache: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that was missing, a disk that did not answer: the files are as they were."""
    expected = opened(root, cache, "memory")
    with pytest.MonkeyPatch.context() as patch:
        opening = FileSource.open

        def failing(source: FileSource, index: int) -> Any:
            if index % 5 == 0:
                raise UnreadableError("the disk does not answer")
            return opening(source, index)

        patch.setattr(FileSource, "open", failing)
        assert len(opened(root, cache, max_bad=0.5).bad) > 2
    for times in (1, 0):
        decoded.clear()
        assert_same(opened(root, cache), expected)
        assert (len(decoded) > 0) == bool(times)


def test_files_that_are_replaced_with_their_times(root: Path, cache: Path) -> None:
    for path in root.rglob("*.png"):
        pixels = np.asarray(Image.open(path))
        path.unlink()
        Image.fromarray(pixels).save(path.with_suffix(".bmp"))
        os.utime(path.with_suffix(".bmp"), (0, 0))
    first = opened(root, cache).train
    path = Path((first.paths or ())[0])
    Image.fromarray(np.full((40, 40, 3), 200, np.uint8)).save(path)
    os.utime(path, (0, 0))
    assert (opened(root, cache).train.pixels[0] == 200).all()  # type: ignore[index]


def test_files_that_change_are_decoded_again(root: Path, cache: Path, decoded: list[int]) -> None:
    opened(root, cache)
    path = next(iter(opened(root, cache).train.paths or ()))
    Image.fromarray(np.full((40, 40, 3), 200, np.uint8)).save(path)
    decoded.clear()
    found = opened(root, cache)
    assert len(decoded) == len(found.train)
    assert (found.train.pixels[0] == 200).all()  # type: ignore[index]
    assert len(list(cache.rglob("*.images"))) == 2, "what has become wrong is removed"


def described(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """Write another description, with a checksum that is right."""

    def damage(content: bytes) -> bytes:
        length, _, pixels, mark = struct.unpack("<QII8s", content[-24:])
        start = len(content) - 24 - length
        text = json.dumps(change(json.loads(content[start:-24]))).encode()
        return content[:start] + text + struct.pack("<QII8s", len(text), zlib.crc32(text), pixels, mark)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: b"",
        lambda c: c[: len(c) // 2],
        lambda c: c[:-1],
        lambda c: c[:50] + bytes([c[50] ^ 1]) + c[51:],
        lambda c: c[:-30] + b"\xff" + c[-29:],
        lambda c: c[:-1] + b"9",
        lambda c: c[:-24] + struct.pack("<Q", 2**64 - 1) + c[-16:],
        lambda c: c + c,
        described(lambda facts: [facts]),
        described(lambda facts: {"bad": facts["bad"]}),
        described(lambda facts: facts | {"bad": [[-1, "x"]]}),
        described(lambda facts: facts | {"bad": [[10**9, "x"]]}),
        described(lambda facts: facts | {"clipped": "many"}),
    ],
)
def test_damaged_files_are_made_anew(
    root: Path, cache: Path, damage: Callable[[bytes], bytes], decoded: list[int]
) -> None:
    expected = opened(root, cache)
    files = sorted(cache.rglob("*.images"))
    whole = [path.read_bytes() for path in files]
    files[0].write_bytes(damage(whole[0]))
    decoded.clear()
    assert_same(opened(root, cache), expected)
    assert [path.read_bytes() for path in files] == whole
    assert decoded


def test_no_room_and_no_folder(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = opened(root, cache, "memory")
    usage = shutil.disk_usage(root)._replace(free=1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_images.shutil, "disk_usage", lambda path: usage)
        assert_same(opened(root, cache), expected)
    assert not list(cache.rglob("*.images"))
    shutil.rmtree(cache)
    cache.write_text("a file")
    assert_same(opened(root, cache), expected)
    monkeypatch.setattr(assemble, "cache_folder", lambda name: None)
    assert_same(open_dataset(f"imagefolder:{root}", storage="cache", image_size=16), expected)


def test_they_are_listed_and_cleared(root: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened(root, cache)
    (cache / "mine.txt").write_text("stays")
    (one,) = store_folders(cache)
    assert (one.what, one.data, one.files, one.in_use) == ("images", f"imagefolder:{root}", 2, False)
    assert one.bytes > 24 * 16 * 16 * 3
    capsys.readouterr()
    assert main(["data", "cache", "clear", f"--folder={cache}", "--yes"]) == 0
    assert "images" in capsys.readouterr().out
    assert [path.name for path in cache.iterdir()] == ["mine.txt"]
