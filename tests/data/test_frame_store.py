"""Decoded frames and optical flow that are stored once: the same as without, and never half of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.data.videos import blank_packets, numbered_frames, numbers_in, write_video

from autodas.data import Augmentation, Batch, Clips, ImageDataset, Loader, open_dataset, read_clips
from autodas.data import _flow_frames as flow_frames
from autodas.errors import AutodasError

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
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def stored(root: Path) -> list[str]:
    return sorted(path.name for path in (root.parent / "cache").iterdir())


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
        assert os.path.getsize(Path(found[2]) / "frames.bin") == size
        assert float(found[3]) == pytest.approx(size / 2**20, abs=0.05)


def test_used_where_it_exists(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert opened(root).train.storage == "stream"
    opened(root, "cache")
    before = stored(root)
    capsys.readouterr()
    # With the videos out of reach, whatever is seen comes from the cache; what files there are still counts.
    for storage in ("auto", "cache"):
        data = opened(root, storage)
        assert data.train.storage == "cache"
        assert capsys.readouterr().err == ""
    assert opened(root, "stream").train.storage == "stream"
    # Other frames are other files: sizes and parts of the set have their own.
    assert opened(root, image_size=20).train.storage == "stream"
    assert opened(root, subset=4).train.storage == "stream"
    opened(root, "cache", image_size=20)
    assert set(before) < set(stored(root))
    assert len(stored(root)) == 4


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
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=size))
    assert opened(root, "cache").train.storage == "cache"


def test_stopped_in_the_middle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C, or an error that nobody foresaw."""
    from autodas.data._frames import VideoFiles

    inner, read = VideoFiles.read, []

    def reads_two(self: VideoFiles, index: int, numbers: Any, side: int) -> np.ndarray:
        if len(read) == 2:
            raise KeyboardInterrupt
        read.append(index)
        return inner(self, index, numbers, side)

    monkeypatch.setattr(VideoFiles, "read", reads_two)
    with pytest.raises(KeyboardInterrupt):
        opened(root, "cache")
    assert stored(root) == []


KILLED = """
import os, signal, sys
from autodas.data import open_dataset
from autodas.data._frames import VideoFiles

inner, count = VideoFiles.read, 0

def read(self, index, numbers, side):
    global count
    count += 1
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(self, index, numbers, side)

VideoFiles.read = read
open_dataset(sys.argv[1], frames=4, image_size=28, storage="cache", cache=sys.argv[2])
"""


def test_killed_in_the_middle(root: Path) -> None:
    expected = batches(opened(root, "stream"))
    command = [sys.executable, "-c", KILLED, f"videofolder:{root}", str(root.parent / "cache")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = stored(root)
    assert "unfinished" in left
    assert opened(root).train.storage == "stream"
    data = opened(root, "cache")
    assert_equal(expected, batches(data))
    assert len(stored(root)) == 3


TWICE = """
import sys
from autodas.data import open_dataset

open_dataset(sys.argv[1], frames=4, image_size=28, storage="cache", cache=sys.argv[2])
"""


def test_two_processes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process stores the same while this one does."""
    from autodas.data import _frame_store

    inner, others = _frame_store._write, []

    def write(*arguments: Any) -> Any:
        if not others:
            command = [sys.executable, "-c", TWICE, f"videofolder:{root}", str(root.parent / "cache")]
            others.append(subprocess.run(command, check=True, capture_output=True))
        return inner(*arguments)

    monkeypatch.setattr(_frame_store, "_write", write)
    data = opened(root, "cache")
    assert others[0].stderr.count(b"storing frames of") == 2
    assert len(stored(root)) == 2, "nothing unfinished is left"
    assert_equal(batches(opened(root, "stream")), batches(data))


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
    return (middle.median(2).values - 127.5) * 20 / 127.5


def test_flow_of_translations(moving: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = open_flow(moving)
    said = capsys.readouterr().err
    assert "storing optical flow of 6 videos in " in said
    assert (data.channels, data.modality, data.train.storage) == (2, "flow", "cache")
    expected = torch.tensor([MOTIONS[name] for name in data.classes], dtype=torch.float32)
    for batch in batches(data, flip=False):
        assert batch.images.shape[1:] == (2, 3, 56, 56)
        assert batch.images.is_contiguous(memory_format=torch.channels_last_3d)
        assert torch.allclose(displacements(batch.images), expected[batch.labels], atol=0.2)
    assert data.test.read(0).shape == (64, 64, 3)


def test_flow_in_a_mirror(moving: Path) -> None:
    data = open_flow(moving)
    mirrored = 0
    for plain, varied in zip(batches(data, flip=False, epochs=4), batches(data, epochs=4), strict=True):
        for before, after in zip(plain.images.round(), varied.images.round(), strict=True):
            if torch.equal(before, after):
                continue
            mirrored += 1
            # What moves to the right in a picture moves to the left in its mirror; down stays down.
            assert torch.equal(after[0], 255 - before[0].flip(-1))
            assert torch.equal(after[1], before[1].flip(-1))
    assert 4 < mirrored < 20  # of 24 training clips


def test_flow_is_computed_once(moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"image_size": SIZE, "modality": "flow", "cache": str(tmp_path)}
    calls = []
    inner = flow_frames.flow_of_frames

    def counting(frames: np.ndarray) -> np.ndarray:
        calls.append(frames.shape)
        return inner(frames)

    monkeypatch.setattr(flow_frames, "flow_of_frames", counting)
    data = opened(moving, **options)
    first = batches(data)
    assert calls == [(4, 32, 32, 3)] * 9
    # Another way to ask for it, and clips of other lengths, need no other flow.
    assert_equal(first, batches(opened(moving, "stream", **options), workers=2))
    opened(moving, "cache", **{**options, "frames": 2})
    assert len(calls) == 9
    assert all(path.name.startswith("optical-flow-") for path in tmp_path.iterdir())
    # That of a single video is computed without being stored, and is the same.
    path = (data.test.paths or ())[2]
    clips = read_clips(path, channels=2, image_size=SIZE, clips=Clips(4), number=3, modality="flow")
    assert len(calls) == 10
    expected = np.stack(data.test.evaluation_views(2, range(3), 3))
    assert np.array_equal(clips.permute(0, 2, 3, 4, 1).numpy(), expected)


def test_without_opencv(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(AutodasError, match=r"install autodas\[flow\]"):
        opened(root, modality="flow")
    assert stored(root) == []
