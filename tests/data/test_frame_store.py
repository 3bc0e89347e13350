"""Decoded frames and optical flow that are stored once: the same as without, and never half of it."""

from __future__ import annotations

import errno
import gc
import io
import itertools
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.data.videos import blank_packets, numbered_frames, numbers_in, write_video

from autodas.data import (
    Augmentation,
    Batch,
    Clips,
    ImageDataset,
    Loader,
    open_dataset,
    read_clips,
    remove_store,
    store_folders,
)
from autodas.data.files._store_folder import Lock, unfinished
from autodas.data.frames import _flow_frames as flow_frames
from autodas.data.frames import _store as frame_store
from autodas.data.frames._flow import bytes_of_flow, flow_solver
from autodas.data.frames._sources import FrameFolders, VideoFiles
from autodas.data.frames._store_space import space_of
from autodas.data.splits._videos import Videos
from autodas.errors import AutodasError

pytestmark = pytest.mark.slow

FRAMES, SIZE = 9, 28  # 32 is the short side that frames get for 28 pixels


def noise(seed: int, count: int = FRAMES, height: int = 36, width: int = 48) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 256, (count, height // 4, width // 4, 3), dtype=np.uint8)
    return blocks.repeat(4, 1).repeat(4, 2)


def write_frames(folder: Path, frames: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{i:02d}.png")
    return folder


def write_set(root: Path, *, files: bool = True) -> Path:
    """Six training and four test videos of two classes."""
    seed = 0
    for split, count in (("train", 3), ("test", 2)):
        for name in ("a", "b"):
            for i in range(count):
                seed += 1
                if files:
                    write_video(root / split / name / f"{i}.mp4", noise(seed), key_every=4)
                else:
                    write_frames(root / split / name / str(i), noise(seed))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "videos")


def opened(root: Path, storage: str = "auto", **options: Any) -> ImageDataset:
    settings: dict[str, Any] = {
        "frames": 4,
        "image_size": SIZE,
        "cache": str(root.parent / "cache"),
        **options,
    }
    return open_dataset(f"videofolder:{root}", storage=storage, **settings)


def batches(data: ImageDataset, *, flip: bool = True, workers: int = 0, epochs: int = 2) -> list[Batch]:
    """All that training and evaluation see, as bytes."""
    options: dict[str, Any] = {
        "mean": (0.0,) * data.channels,
        "std": (1 / 255,) * data.channels,
        "image_size": data.image_size,
        "seed": 3,
        "workers": workers,
        "batch_size": 4,
    }
    train = Loader(data.train, None, shuffle=True, augmentation=Augmentation(flip=flip), **options)
    test = Loader(data.test, None, shuffle=False, augmentation=None, views=3, **options)
    return [*(b for epoch in range(epochs) for b in train.batches(epoch)), *test.batches(0)]


def assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True))


def stored(root: Path) -> list[Path]:
    """The files of stored videos."""
    return sorted((root.parent / "cache").glob("*/*.frames"))


def frames_of(videos: Any, index: int) -> np.ndarray:
    """All frames of a video, as its source reads them."""
    frames: np.ndarray = videos._source.read(int(videos._selection[index]), range(FRAMES), 32)
    return frames


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return a list that fills with the videos that are decoded, and how many frames of each."""
    inner, found = VideoFiles.read, []

    def read(self: VideoFiles, index: int, numbers: Any, side: int) -> np.ndarray:
        found.append((self.describe(index), len(numbers)))
        return inner(self, index, numbers, side)

    monkeypatch.setattr(VideoFiles, "read", read)
    return found


@pytest.mark.parametrize("files", [True, False], ids=["files", "folders"])
def test_cache_equals_streaming(tmp_path: Path, files: bool) -> None:
    root = write_set(tmp_path / "videos", files=files)
    stream, cache = opened(root, "stream"), opened(root, "cache")
    assert (stream.train.storage, cache.train.storage, cache.test.storage) == ("stream", "cache", "cache")
    assert (stream.mean, stream.std) == (cache.mean, cache.std)
    assert stream.train.paths == cache.train.paths
    expected = batches(stream)
    assert_equal(expected, batches(cache))
    assert_equal(expected, batches(cache, workers=2))
    assert np.array_equal(stream.test.read(1), cache.test.read(1))
    assert cache.test.describe(2) == stream.test.describe(2) == cache.test.paths[2]


def test_size_is_said_beforehand(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened(root, "cache")
    lines = capsys.readouterr().err.splitlines()
    # Frames of 36 x 48 become 32 x 43: 6 and 4 videos of 9 frames, of 3 bytes a pixel.
    sizes = [videos * FRAMES * 32 * 43 * 3 for videos in (6, 4)]
    assert len(lines) == 2
    for line, count, size in zip(lines, (6, 4), sizes, strict=True):
        found = re.fullmatch(r"storing frames of (\d) videos in (\S+): ([\d.]+) MiB", line)
        assert found is not None
        assert int(found[1]) == count
        assert float(found[3]) == pytest.approx(size / 2**20, abs=0.05)
    # Beside the frames there is a table of 16 bytes a frame, and a description.
    for path in stored(root):
        assert 0 < path.stat().st_size - FRAMES * (32 * 43 * 3 + 16) < 250


def test_used_where_it_exists(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert opened(root).train.storage == "stream"
    opened(root, "cache")
    assert len(stored(root)) == 10
    capsys.readouterr()
    decoded = count_reads(monkeypatch)
    for storage in ("auto", "cache"):
        data = opened(root, storage)
        assert data.train.storage == "cache"
        assert capsys.readouterr().err == ""
        batches(data)
    # A part of the set is there, too.
    assert opened(root, subset=4).train.storage == "cache"
    assert decoded == []
    assert opened(root, "stream").train.storage == "stream"
    # Other sizes are other files.
    assert opened(root, image_size=20).train.storage == "stream"
    opened(root, "cache", image_size=20)
    assert len(stored(root)) == 20


def test_one_new_video_is_the_only_one_that_is_decoded(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(root, "cache")
    new = write_video(root / "train/b/7.mp4", noise(77), key_every=4)
    capsys.readouterr()
    decoded = count_reads(monkeypatch)
    data = opened(root, "cache")
    assert decoded == [(str(new), FRAMES)]
    assert "storing frames of 1 of 7 videos in " in capsys.readouterr().err
    monkeypatch.undo()
    assert_equal(batches(opened(root, "stream")), batches(data))


@pytest.mark.parametrize("files", [True, False], ids=["files", "folders"])
def test_follows_changed_files(tmp_path: Path, files: bool) -> None:
    root = write_set(tmp_path / "videos", files=files)
    before = batches(opened(root, "cache"))
    old = opened(root, "cache").train.read(0)
    if files:
        write_video(root / "train/a/0.mp4", noise(99), key_every=4)
    else:
        # One image, in its place: the folder itself has not changed.
        time = (root / "train/a/0").stat().st_mtime_ns
        Image.fromarray(noise(99)[4]).save(root / "train/a/0/04.png")
        assert (root / "train/a/0").stat().st_mtime_ns == time
    assert opened(root).train.storage == "stream"
    data = opened(root, "cache")
    assert len(stored(root)) == 10, "what was stored of the video before is gone"
    assert not np.array_equal(data.train.read(0), old)
    expected = batches(opened(root, "stream"))
    assert_equal(expected, batches(data))
    assert any(not torch.equal(a.images, b.images) for a, b in zip(before, expected, strict=True))


def test_too_little_space(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 6 * FRAMES * 32 * 43 * 3
    usage = shutil.disk_usage(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=size - 1))
    with pytest.raises(
        AutodasError, match=r"frames of 6 videos take 0.2 MiB, but only 0.2 MiB are free.*data.cache"
    ):
        opened(root, "cache")
    assert stored(root) == []
    # Less is needed for what is compressed.
    assert opened(root, "compressed").train.storage == "compressed"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=size))
    assert opened(root, "cache").train.storage == "cache"


def test_stopped_in_the_middle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C, or an error that nobody foresaw: a second start goes on."""
    inner, read = VideoFiles.read, []

    def reads_two(self: VideoFiles, index: int, numbers: Any, side: int) -> np.ndarray:
        if len(read) == 2:
            raise KeyboardInterrupt
        read.append(self.describe(index))
        return inner(self, index, numbers, side)

    monkeypatch.setattr(VideoFiles, "read", reads_two)
    with pytest.raises(KeyboardInterrupt):
        opened(root, "cache")
    assert 1 <= len(stored(root)) <= 2
    assert not list((root.parent / "cache").glob("*/*.part"))
    monkeypatch.undo()
    kept, decoded = len(stored(root)), count_reads(monkeypatch)
    data = opened(root, "cache")
    assert len(decoded) == 10 - kept
    monkeypatch.undo()
    assert_equal(batches(opened(root, "stream")), batches(data))


def test_full_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner, written = frame_store.write_stored, []

    one_at_a_time = threading.Lock()

    def fills_up(*arguments: Any) -> Any:
        with one_at_a_time:
            if len(written) == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written.append(inner(*arguments))
            return written[-1]

    monkeypatch.setattr(frame_store, "write_stored", fills_up)
    with pytest.raises(
        AutodasError, match=r"cache/frames-\S+: cannot be written: No space left on device;.*free some space"
    ):
        opened(root, "cache")
    assert not list((root.parent / "cache").glob("*/*.part"))
    assert len(stored(root)) == 3
    monkeypatch.undo()
    assert opened(root, "cache").train.storage == "cache"


def test_a_folder_that_cannot_be_written(root: Path) -> None:
    (root.parent / "cache").write_text("a file")
    with pytest.raises(
        AutodasError, match=r"cannot be written: (Not a directory|File exists); .*another data\.cache"
    ):
        opened(root, "cache")
    assert opened(root).train.storage == "stream"


def test_without_a_folder_for_caches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autodas.data import _assemble_videos

    monkeypatch.setattr(_assemble_videos, "cache_folder", lambda name: None)
    assert opened(root, cache=None).train.storage == "stream"
    with pytest.raises(AutodasError, match=r"no folder for stored frames can be written: name one"):
        opened(root, "cache", cache=None)


def test_memory_does_not_grow_with_the_length_of_videos(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = batches(opened(root, "stream"))
    # Room for two frames of 32 x 43 pixels, each of which is held twice.
    monkeypatch.setattr(frame_store, "PIECE", 2 * 2 * 32 * 43 * 3)
    decoded = count_reads(monkeypatch)
    data = opened(root, "cache")
    assert {count for _, count in decoded} == {1, 2}
    assert sum(count for _, count in decoded) == 10 * FRAMES
    assert_equal(expected, batches(data))


def test_progress_with_the_time_left(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from autodas import progress

    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "LINES_APART", 0.0)
    opened(root, "cache")
    lines = [line for line in capsys.readouterr().err.splitlines() if " left" in line]
    assert re.fullmatch(r"storing frames: 9 of 54, \d+ s left", lines[0])
    assert len(lines) == 5 + 3


@pytest.mark.parametrize("storage", ["cache", "compressed"])
def test_killed_in_the_middle(
    root: Path, monkeypatch: pytest.MonkeyPatch, command: Any, storage: str
) -> None:
    elsewhere = str(root.parent / "elsewhere")
    expected = batches(opened(root, storage, cache=elsewhere))
    whole = {path.name: path.read_bytes() for path in Path(elsewhere).glob("*/*.frames")}
    inner, count = VideoFiles.read, 0

    def reads_three(self: VideoFiles, index: int, numbers: Any, side: int) -> np.ndarray:
        nonlocal count
        count += len(numbers) == FRAMES  # not those of the estimate
        if count == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(self, index, numbers, side)

    def store() -> None:
        VideoFiles.read = reads_three  # type: ignore[method-assign]
        opened(root, storage)

    assert command(root, prepare=store).wait() == -signal.SIGKILL
    assert list((root.parent / "cache").glob("*/*.part"))
    kept = len(stored(root))
    assert kept < 4
    assert opened(root).train.storage == "stream"
    decoded = count_reads(monkeypatch)
    data = opened(root, storage)
    assert sum(count == FRAMES for _, count in decoded) == 10 - kept
    monkeypatch.undo()
    assert_equal(expected, batches(data))
    assert {path.name: path.read_bytes() for path in stored(root)} == whole
    assert not list((root.parent / "cache").glob("*/*.part"))


def test_leftovers_of_processes_that_live_are_kept(root: Path) -> None:
    opened(root, "cache")
    (folder,) = (root.parent / "cache").iterdir()
    own = unfinished(folder / "0123456789abcdef-0123456789abcdef.frames")
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        ended.wait()
    dead = own.with_name(own.name.replace(f".{os.getpid()}-", f".{ended.pid}-"))
    elsewhere = own.with_name(re.sub(r"frames\.[^.]+\.", "frames.another-host.", own.name))
    old = elsewhere.with_name(elsewhere.name.replace("another", "yet-another"))
    impossible = own.with_name(own.name.replace(f".{os.getpid()}-", f".{10**30}-"))
    for path in (own, dead, elsewhere, old, impossible):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    write_video(root / "train/b/7.mp4", noise(77), key_every=4)
    opened(root, "cache")
    assert [path.exists() for path in (own, dead, elsewhere, old)] == [True, False, True, False]
    assert not impossible.exists()


TWICE = """
import sys
from autodas.data import open_dataset

open_dataset(sys.argv[1], frames=4, image_size=28, storage="cache", cache=sys.argv[2])
"""


def test_two_processes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process stores the same while this one does."""
    inner, others = frame_store.FrameStore._add_all, []

    def add_all(*arguments: Any) -> Any:
        if not others:
            command = [sys.executable, "-c", TWICE, f"videofolder:{root}", str(root.parent / "cache")]
            others.append(subprocess.run(command, check=True, capture_output=True))
        return inner(*arguments)

    monkeypatch.setattr(frame_store.FrameStore, "_add_all", add_all)
    data = opened(root, "cache")
    assert others[0].stderr.count(b"storing frames of") == 2
    assert len(stored(root)) == 10
    assert not list((root.parent / "cache").glob("*/*.part")), "nothing unfinished is left"
    assert_equal(batches(opened(root, "stream")), batches(data))


def described(change: Any) -> Any:
    """Write another description, with a checksum that is right."""

    def damage(c: bytes) -> bytes:
        frames, length, _, mark = struct.unpack("<QQI8s", c[-28:])
        start = len(c) - 28 - length
        description = json.dumps(change(json.loads(c[start:-28]))).encode()
        facts = c[start - 16 * frames : start] + description
        tail = struct.pack("<QQI8s", frames, len(description), zlib.crc32(facts), mark)
        return c[: start - 16 * frames] + facts + tail

    return damage


class TestDamaged:
    def damages(self) -> dict[str, Any]:
        def tail(place: int, value: int) -> Any:
            """Change one of the numbers at the end: frames, bytes of the description, checksum."""
            return lambda c: c[: len(c) - 28 + place] + struct.pack("<Q", value) + c[len(c) - 20 + place :]

        def one_byte_of_each_frame(c: bytes) -> bytes:
            (frames,) = struct.unpack("<Q", c[-28:-20])
            changed = bytearray(c)
            for frame in range(frames):
                changed[4128 * frame + 100] ^= 1
            return bytes(changed)

        return {
            "no object": described(lambda facts: [facts]),
            "a key gone": described(lambda facts: {"frames": facts["frames"]}),
            "another number of frames": described(lambda facts: facts | {"frames": facts["frames"] + 1}),
            "frames of text": described(lambda facts: facts | {"height": "32"}),
            "huge frames": described(lambda facts: facts | {"height": 10**12}),
            "one channel": described(lambda facts: facts | {"channels": 1}),
            "an unknown encoding": described(lambda facts: facts | {"encoding": "zip"}),
            "empty": lambda c: b"",
            "cut off": lambda c: c[: len(c) // 2],
            "one byte of each frame": one_byte_of_each_frame,
            "a frame gone": lambda c: c[4128:],
            "not UTF-8": lambda c: c[:-40] + b"\xff" + c[-39:],
            "another size": lambda c: c.replace(b'"height": 32, "width": 43', b'"height": 43, "width": 32'),
            "a channel less": lambda c: c.replace(b'"channels": 3', b'"channels": 2'),
            "no frames": tail(0, 0),
            "many frames": tail(0, 2**63),
            "frames that fill the file": tail(0, 2300),
            "no description": tail(8, 0),
            "a long description": tail(8, 2**64 - 1),
            "another mark": lambda c: c[:-1] + b"3",
            "another kind of file": lambda c: b"PK" * 5000,
        }

    def test_stored_frames_that_are_damaged_are_made_anew(self, root: Path, capsys: Any) -> None:
        expected = batches(opened(root, "stream"), epochs=1)
        opened(root, "cache")
        files = stored(root)
        whole = {path: path.read_bytes() for path in files}
        for name, damage in self.damages().items():
            for path in files:
                path.write_bytes(damage(whole[path]) if path in (files[0], files[-1]) else whole[path])
            capsys.readouterr()
            data = opened(root, "cache")
            found = batches(data, epochs=1)
            assert "damaged" in capsys.readouterr().err, name
            assert_equal(expected, found)
            # A frame that nobody has read is not looked at.
            if name != "one byte of each frame":
                assert {path: path.read_bytes() for path in files} == whole, name

    def test_in_a_worker_too(self, root: Path) -> None:
        expected = batches(opened(root, "stream"))
        data = opened(root, "cache")
        for path in stored(root):
            path.unlink()
        assert_equal(expected, batches(data, workers=2))
        assert len(stored(root)) == 10

    def test_random_bytes(self, root: Path) -> None:
        """Whatever is changed, what is read is right, or made anew."""
        expected = batches(opened(root, "stream"), epochs=1)
        opened(root, "cache")
        random = np.random.default_rng(0)
        for _ in range(30):
            path = stored(root)[random.integers(10)]
            content = bytearray(path.read_bytes())
            # The last hundreds of bytes are table and description.
            place = len(content) - int(random.integers(1, 400))
            content[place] = (content[place] + int(random.integers(1, 256))) % 256
            path.write_bytes(content)
            assert_equal(expected, batches(opened(root, "cache"), epochs=1))

    def test_compressed(self, root: Path, capsys: Any) -> None:
        expected = batches(opened(root, "compressed"))
        for path in stored(root):
            content = bytearray(path.read_bytes())
            content[300:320] = bytes(20)
            path.write_bytes(content)
        assert_equal(expected, batches(opened(root, "compressed")))
        assert "stored frames are damaged (a frame has changed) and are rebuilt" in capsys.readouterr().err
        for path in stored(root):
            path.write_bytes(self.damages()["one channel"](path.read_bytes()))
        assert_equal(expected, batches(opened(root, "compressed")))
        assert "are damaged" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "change",
        [
            lambda head: head[:-2],
            lambda head: "",
            lambda head: "no header",
            lambda head: "00" + head[2:],
            lambda head: "ffd8" * 1000,
            # A height of 32 becomes one of 33, or of 60,000.
            lambda head: head.replace("080020002b", "080021002b"),
            lambda head: head.replace("080020002b", "08ea60002b"),
        ],
    )
    def test_header_of_compressed_frames(self, root: Path, capsys: Any, change: Any) -> None:
        expected = batches(opened(root, "compressed"), epochs=1)
        damage = described(lambda facts: facts | {"head": change(facts["head"])})
        for path in stored(root):
            content = path.read_bytes()
            path.write_bytes(damage(content))
            assert path.read_bytes() != content
        assert_equal(expected, batches(opened(root, "compressed"), epochs=1))
        assert "are damaged" in capsys.readouterr().err


def test_compressed_frames_look_the_same_and_take_less(tmp_path: Path, capsys: Any) -> None:
    root = tmp_path / "videos"
    across, down, time = np.meshgrid(np.arange(48), np.arange(36), np.arange(FRAMES), indexing="ij")
    smooth = np.stack([4 * across, 5 * down, 20 * time], -1).transpose(2, 1, 0, 3).astype(np.uint8)
    for split in ("train", "test"):
        for name in ("a", "b"):
            write_video(root / split / name / "0.mp4", smooth, key_every=4)
    stream, data = opened(root, "stream"), opened(root, "compressed")
    assert "storing frames of 2 videos in " in capsys.readouterr().err
    assert data.train.storage == "compressed"
    for a, b in zip(batches(stream), batches(data), strict=True):
        assert torch.equal(a.labels, b.labels)
        assert (a.images - b.images).abs().mean() < 2
    assert sum(path.stat().st_size for path in stored(root)) < 4 * FRAMES * 32 * 43 * 3 / 4
    assert_equal(batches(data), batches(data, workers=2))
    # They are not the same bytes: nobody gets them who does not ask.
    assert opened(root).train.storage == "stream"


def test_compressed_frames_are_the_images_that_pillow_writes(root: Path, capsys: Any) -> None:
    streamed, data = opened(root, "stream"), opened(root, "compressed")
    images = headers = 0
    for videos, compressed in ((streamed.train, data.train), (streamed.test, data.test)):
        for index in range(len(videos)):
            expected = []
            for frame in frames_of(videos, index):
                file = io.BytesIO()
                Image.fromarray(frame).save(file, "JPEG", quality=90)
                expected.append(np.asarray(Image.open(file)))
                images += len(file.getvalue())
                headers += file.getvalue().index(b"\xff\xda")
            assert np.array_equal(frames_of(compressed, index), expected)
    # Their headers are equal and are stored once for each video.
    size = sum(path.stat().st_size for path in stored(root))
    assert size < images - headers / 2
    # What was said beforehand.
    said = re.findall(r"storing frames of \d videos in \S+: about ([\d.]+) MiB", capsys.readouterr().err)
    assert sum(map(float, said)) == pytest.approx(size / 2**20, abs=0.1)


def test_compressed_frames_of_real_videos(
    shared_data: Callable[[str], Path], tmp_path: Path, capsys: Any
) -> None:
    options: dict[str, Any] = {"classes": ("Archery", "Billiards"), "image_size": 112}
    name = f"videofolder:{shared_data('ucf101_mini')}"
    streamed = open_dataset(name, storage="stream", **options)
    data = open_dataset(name, storage="compressed", cache=str(tmp_path), **options)
    splits = (data.train, data.test)
    raw = sum(split.facts()["bytes_decoded"] for split in splits if isinstance(split, Videos))
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*.frames"))
    assert size < raw / 7
    said = re.findall(r"storing frames of \d+ videos in \S+: about ([\d.]+) MiB", capsys.readouterr().err)
    assert sum(map(float, said)) == pytest.approx(size / 2**20, rel=0.2)
    errors = []
    for index in range(len(data.test)):
        exact, lossy = (split.evaluation_views(index, [0], 1)[0] for split in (streamed.test, data.test))
        errors.append(exact.astype(float) - lossy)
    assert np.square(errors).mean() < 255**2 / 10**3.3  # 33 dB


def test_space_of_compressed_frames(tmp_path: Path) -> None:
    """The estimate follows what the videos show."""
    shares = []
    for name, detail in (("plain", 0), ("noise", 1)):
        root = tmp_path / name / "videos"
        for split, kind, i in itertools.product(("train", "test"), "ab", range(2)):
            write_video(root / split / kind / f"{i}.mp4", noise(i, height=144, width=192) * detail)
        videos = opened(root, "stream").train
        estimate = space_of(videos._source, videos._selection.tolist(), 32, "jpeg", 2)
        opened(root, "compressed")
        size = sum(path.stat().st_size for path in stored(root)) / 2
        assert estimate.frames == 4 * FRAMES
        # Without descriptions, which are longer than frames of one colour.
        assert size - 4 * 1600 < estimate.bytes < 1.1 * size
        shares.append(estimate.bytes / (4 * FRAMES * 32 * 43 * 3))
    assert shares[0] < 0.1 < 0.2 < shares[1]


class TestFolders:
    def test_list(self, root: Path) -> None:
        cache = root.parent / "cache"
        assert store_folders(cache) == []
        data = opened(root, "cache")
        opened(root, "compressed", image_size=20)
        other, one = sorted(store_folders(cache), key=lambda store: store.path)
        assert (one.what, one.data, one.files) == ("frames", f"videofolder:{root}", 10)
        assert one.bytes >= 10 * FRAMES * 32 * 43 * 3
        assert abs(one.used - time.time()) < 60
        assert (one.in_use, other.in_use) == (True, False)
        assert one.path.name.startswith("frames-32px-raw-")
        assert other.path.name.startswith("frames-22px-jpeg-")
        del data
        gc.collect()
        assert not any(store.in_use for store in store_folders(cache))

    def test_only_own_files_are_removed(self, root: Path) -> None:
        cache = root.parent / "cache"
        opened(root, "cache")
        gc.collect()
        (store,) = store_folders(cache)
        outside = root.parent / "outside"
        outside.write_text("x")
        (store.path / "notes.txt").write_text("x")
        (store.path / f"{'0' * 16}-{'0' * 16}.frames").symlink_to(outside)
        # Folders that only look like ours, and links to such.
        others = [cache / "frames", cache / "frames-32px-raw-xyz", root.parent / store.path.name]
        for folder in others:
            folder.mkdir()
            (folder / "store.json").write_text("{}")
        (cache / f"frames-32px-raw-{'a' * 16}").symlink_to(root, target_is_directory=True)
        assert store_folders(cache) == store_folders(cache)[:1]
        assert remove_store(store) == "Directory not empty"
        left = sorted(path.name for path in store.path.iterdir())
        assert left == [f"{'0' * 16}-{'0' * 16}.frames", "notes.txt"]
        assert outside.read_text() == "x"
        assert all((folder / "store.json").exists() for folder in others)
        assert len(list(root.rglob("*.mp4"))) == 10

    def test_what_is_in_use_stays(self, root: Path, command: Any) -> None:
        cache = root.parent / "cache"
        data = opened(root, "cache")
        (store,) = store_folders(cache)
        assert remove_store(store) == "it is in use"
        batches(data)
        del data
        gc.collect()

        def hold() -> None:
            other = opened(root, "cache")
            print("open", flush=True)
            while other:
                time.sleep(60)

        process = command(root, prepare=hold)
        limit = time.monotonic() + 60
        while process.printed[0] != "open\n":
            assert process.poll() is None, process.printed[1]
            assert time.monotonic() < limit
            time.sleep(0.01)
        assert remove_store(store) == "it is in use"
        process.signal(signal.SIGKILL)
        process.wait()
        assert remove_store(store) is None
        assert list(cache.iterdir()) == []

    def test_folders_of_version_0_1(self, tmp_path: Path) -> None:
        old, unfinished_one = (
            tmp_path / f"frames-{'0a' * 8}",
            tmp_path / f"optical-flow-{'b1' * 8}-unfinished-x_1",
        )
        for folder in (old, unfinished_one):
            folder.mkdir()
            (folder / "frames.bin").write_bytes(bytes(1000))
        found = store_folders(tmp_path)
        assert [store.what for store in found] == ["frames of an earlier version"] * 2
        assert [store.bytes for store in found] == [1000, 1000]
        assert [remove_store(store) for store in found] == [None, None]
        assert list(tmp_path.iterdir()) == []

    def test_a_description_that_is_damaged(self, tmp_path: Path) -> None:
        folder = tmp_path / f"frames-32px-raw-{'0' * 16}"
        folder.mkdir()
        for content in (b"", b"\xff", b"[]", b'{"what": 3, "data": null}', b"[" * 10_000):
            (folder / "store.json").write_bytes(content)
            (store,) = store_folders(tmp_path)
            assert (store.what, store.data) == ("frames-32px", "")
        with closing(Lock(folder)):
            assert store_folders(tmp_path)[0].in_use


def test_videos_that_cannot_be_decoded(tmp_path: Path) -> None:
    """Their containers are whole, but what is in them is not."""
    root = write_set(tmp_path / "videos")
    path = write_video(root / "train/a/9.avi", noise(50), codec="mpeg4")
    blank_packets(path, set(range(FRAMES)))
    assert len(opened(root, "stream").train) == 6
    data = opened(root, "cache", max_bad=0.1)
    assert len(data.train) == 6
    assert data.bad == (f"{path}: no frame can be decoded",)
    # Those who find the file stored hear of it, too.
    again = opened(root, max_bad=0.1)
    assert (again.train.storage, again.bad) == ("cache", data.bad)
    with pytest.raises(AutodasError, match="1 of 11 videos cannot be read, 0 are allowed"):
        opened(root, max_bad=0.0)


def test_videos_in_memory_have_no_cache(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match=r"its videos are in memory; data\.storage cache is for files"):
        open_dataset("moving-digits", storage="cache", cache=str(tmp_path))


def test_names_of_frames_are_numbers(tmp_path: Path) -> None:
    """Without leading zeros, too."""
    for split in ("train", "test"):
        for name in ("a", "b"):
            folder = tmp_path / split / name / "1"
            folder.mkdir(parents=True)
            for i, frame in enumerate(numbered_frames(12, 32, 32)):
                Image.fromarray(frame).save(folder / f"v2_frame{i}.png")
    data = open_dataset(f"videofolder:{tmp_path}", frames=12, image_size=SIZE)
    assert numbers_in(data.test.evaluation_views(0, [0], 1)[0]) == list(range(12))


# --- Optical flow ---

MOTIONS = {"down": (0, 2), "left": (-3, 0), "right": (3, 1)}


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A texture that moves, as frames of 64 pixels, which is the short side for 56."""
    root = tmp_path_factory.mktemp("flow") / "videos"
    for split, count in (("train", 2), ("test", 1)):
        for name, (across, down) in MOTIONS.items():
            for i in range(count):
                smooth = gaussian_filter(np.random.default_rng(i).normal(size=(64, 64)), 2, mode="wrap")
                texture = np.rint((smooth - smooth.min()) * (255 / np.ptp(smooth))).astype(np.uint8)
                frames = np.stack([np.roll(texture, (down * t, across * t), (0, 1)) for t in range(4)])
                write_frames(root / split / name / str(i), frames[..., None].repeat(3, -1))
    return root


def open_flow(root: Path, **options: Any) -> ImageDataset:
    return opened(root, image_size=56, modality="flow", **{"frames": 3, **options})


def displacements(images: torch.Tensor) -> torch.Tensor:
    """Median over frames and the middle of the picture, (B, 2), in pixels."""
    middle = images[..., 12:-12, 12:-12].flatten(2)
    # The bound is 20 pixels in 256: 5 in the 64 that the frames have.
    return (middle.median(2).values - 128) * 5 / 127


def test_flow_of_translations(moving: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = open_flow(moving)
    said = capsys.readouterr().err
    assert "storing optical flow (tvl1) of 6 videos in " in said
    assert (data.channels, data.modality, data.train.storage) == (2, "flow", "cache")
    expected = torch.tensor([MOTIONS[name] for name in data.classes], dtype=torch.float32)
    for batch in batches(data, flip=False):
        assert batch.images.shape[1:] == (2, 3, 56, 56)
        assert batch.images.is_contiguous(memory_format=torch.channels_last_3d)
        assert torch.allclose(displacements(batch.images), expected[batch.labels], atol=0.2)
    # Three frames side by side, for people.
    assert data.test.read(0).shape == (96, 288, 3)


def test_flow_in_a_mirror(moving: Path) -> None:
    data = open_flow(moving)
    mirrored = 0
    for plain, varied in zip(batches(data, flip=False, epochs=4), batches(data, epochs=4), strict=True):
        for before, after in zip(plain.images.round(), varied.images.round(), strict=True):
            if torch.equal(before, after):
                continue
            mirrored += 1
            # What moves to the right in a picture moves to the left in its mirror; down stays down.
            assert torch.equal(after[0], 256 - before[0].flip(-1))
            assert torch.equal(after[1], before[1].flip(-1))
    assert 4 < mirrored < 20  # of 24 training clips


def test_flow_is_computed_once(moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"image_size": SIZE, "modality": "flow", "cache": str(tmp_path)}
    calls = []
    inner = flow_frames.flow_solver

    def counting(method: Any) -> Any:
        calls.append(method)
        return inner(method)

    monkeypatch.setattr(flow_frames, "flow_solver", counting)
    data = opened(moving, **options)
    first = batches(data)
    assert calls == ["tvl1"] * 9
    # Another way to ask for it, and clips of other lengths, need no other flow.
    assert_equal(first, batches(opened(moving, "stream", **options), workers=2))
    opened(moving, "cache", **{**options, "frames": 2})
    assert len(calls) == 9
    assert [path.name.startswith("optical-flow-tvl1-32px-raw-") for path in tmp_path.iterdir()] == [True]
    # That of a single video is computed without being stored, and is the same.
    path = (data.test.paths or ())[2]
    clips = read_clips(path, channels=2, image_size=SIZE, clips=Clips(4), number=3, modality="flow")
    assert len(calls) == 10
    expected = np.stack(data.test.evaluation_views(2, range(3), 3))
    assert np.array_equal(clips.permute(0, 2, 3, 4, 1).numpy(), expected)


@pytest.mark.parametrize("storage", ["auto", "stream", "compressed"])
def test_fast_flow_may_be_streamed(moving: Path, tmp_path: Path, storage: str) -> None:
    data = open_flow(moving, storage=storage, flow="dis", cache=str(tmp_path))
    assert data.flow is not None
    assert data.flow.method == "dis"
    assert data.train.storage == {"auto": "cache"}.get(storage, storage)
    assert bool(list(tmp_path.iterdir())) == (storage != "stream")
    expected = torch.tensor([MOTIONS[name] for name in data.classes], dtype=torch.float32)
    for batch in batches(data, flip=False, epochs=1):
        assert torch.allclose(displacements(batch.images), expected[batch.labels], atol=0.2)
        assert batch.images.min() >= 1
    # The same, to the bit, whether it is stored or not.
    if storage == "stream":
        assert_equal(batches(data), batches(open_flow(moving, flow="dis", cache=str(tmp_path))))


def test_stored_flow_of_one_method_is_not_used_for_another(moving: Path, tmp_path: Path) -> None:
    """Each equals what its own solver gives for the frames, whatever is stored beside it."""
    for flow in ("tvl1", "dis", "tvl1"):
        videos = open_flow(moving, flow=flow, cache=str(tmp_path)).test
        frames = FrameFolders(videos.paths or ()).read(0, range(4), 64)
        solve = flow_solver(flow)
        expected = [bytes_of_flow(solve(frames[i], frames[i + 1]), 64 * 20 / 256) for i in range(3)]
        assert np.array_equal(videos._source.read(0, range(3), 64), expected)
    names = {store.what for store in store_folders(tmp_path)}
    assert names == {"optical flow (tvl1)", "optical flow (dis)"}


def test_without_opencv(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(AutodasError, match=r"install autodas\[flow\]"):
        opened(root, modality="flow")
    assert stored(root) == []
