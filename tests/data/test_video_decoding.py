"""Decoding of real video files: the right frames, whatever the container, and errors for users."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest
from tests.data.videos import blank_packets, numbered_frames, numbers_in, write_sound, write_video

from autodas.data.frames._decode import read_frames
from autodas.data.frames._index import read_index
from autodas.data.frames._sources import FrameFolders, VideoFiles, resized
from autodas.data.pixels._decode import UnreadableError
from autodas.errors import AutodasError


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.avi", "mpeg4"),
        ("a.webm", "libvpx"),
        ("a.mpg", "mpeg2video"),
    ],
)
@pytest.mark.parametrize("key_every", [1, 12, 250])
def test_the_frames_that_are_asked_for(tmp_path: Path, name: str, codec: str, key_every: int) -> None:
    path = str(write_video(tmp_path / name, numbered_frames(60), codec=codec, key_every=key_every))
    index = read_index(path)
    assert (index.frames, index.height, index.width) == (60, 48, 64)
    for wanted in (range(60), range(20, 36), [59], [0], [50, 3, 3, 17, 50], [0, 59], [44, 45, 11]):
        frames = read_frames(path, index, wanted, (24, 32))
        assert frames.shape == (len(wanted), 24, 32, 3)
        assert numbers_in(frames) == list(wanted)


def test_equal_to_decoding_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (40, 6, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    path = str(write_video(tmp_path / "a.mp4", frames, key_every=7))
    with av.open(path) as container:
        expected = np.stack(
            [
                f.reformat(32, 24, "rgb24", interpolation="BILINEAR").to_ndarray()
                for f in container.decode(video=0)
            ]
        )
    index = read_index(path)
    for wanted in ([13, 14, 15, 16], [39, 0, 20], [6, 7, 8, 30, 31]):
        assert np.array_equal(read_frames(path, index, wanted, (24, 32)), expected[wanted])


def test_only_what_is_needed_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(write_video(tmp_path / "a.mp4", numbered_frames(78), key_every=10))
    index = read_index(path)
    from autodas.data.frames import _decode as _video_decode

    decoded = []
    inner = _video_decode.sought

    def counting(*arguments: object) -> object:
        for pair in inner(*arguments):  # type: ignore[arg-type]
            decoded.append(pair[0])
            yield pair

    monkeypatch.setattr(_video_decode, "sought", counting)
    read_frames(path, index, [5, 72], (24, 32))
    assert len(decoded) <= 12


@pytest.mark.parametrize(("degrees", "side"), [(0, "left"), (90, "bottom"), (180, "right"), (270, "top")])
def test_frames_stand_as_they_are_shown(tmp_path: Path, degrees: int, side: str) -> None:
    frames = np.full((6, 32, 64, 3), 30, dtype=np.uint8)
    frames[:, :, :32] = 220  # the left half is bright, before it is turned anticlockwise
    path = str(write_video(tmp_path / "a.mp4", frames, turned=degrees))
    index = read_index(path)
    assert (index.height, index.width) == ((64, 32) if degrees % 180 else (32, 64))
    shown = read_frames(path, index, [2], (index.height, index.width))[0].astype(int)
    half = {
        "left": shown[:, : index.width // 2],
        "right": shown[:, index.width // 2 :],
        "top": shown[: index.height // 2],
        "bottom": shown[index.height // 2 :],
    }
    means = {name: part.mean() for name, part in half.items()}
    assert max(means, key=means.__getitem__) == side


def test_size_keeps_proportions() -> None:
    assert resized(240, 320, 128) == (128, 171)
    assert resized(320, 240, 128) == (171, 128)
    assert resized(10, 10, 4) == (4, 4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a video file"),
        (b"hello, I am no video" * 50, "not a video file"),
    ],
)
def test_unreadable(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        VideoFiles([str(path)]).count(0)


def test_sound_only(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp4")
    with pytest.raises(UnreadableError, match="no video stream"):
        VideoFiles([str(path)]).count(0)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        VideoFiles([str(tmp_path / "a.mp4")]).count(0)


@pytest.mark.slow
def test_truncated_anywhere(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered_frames(60))
    content = path.read_bytes()
    source = VideoFiles([str(path)])
    read = 0
    for length in range(0, len(content), len(content) // 40):
        path.write_bytes(content[:length])
        fresh = VideoFiles([str(path)])
        try:
            count = fresh.count(0)
            frames = fresh.read(0, range(count), 24)
        except UnreadableError:
            continue
        # What is there is decoded, and is what it should be.
        assert len(frames) == count
        assert numbers_in(frames) == sorted(numbers_in(frames))
        read += 1
    assert read > 5
    assert len(source) == 1


def test_damage_in_the_middle(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(60), key_every=10)
    index = read_index(str(path))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = b"\xff" * 300
    path.write_bytes(content)
    try:
        frames = read_frames(str(path), index, range(60), (24, 32))
    except UnreadableError:
        return
    assert frames.shape == (60, 24, 32, 3)


def test_a_frame_that_cannot_be_decoded(tmp_path: Path) -> None:
    """What was shown before stands for it; the rest of the video is there."""
    path = write_video(tmp_path / "a.mp4", numbered_frames(30), codec="mpeg4", key_every=10)
    blank_packets(path, {5})
    index = read_index(str(path))
    assert index.frames == 30
    numbers = numbers_in(read_frames(str(path), index, range(30), (24, 32)))
    assert numbers[:6] == [0, 1, 2, 3, 4, 4]
    assert numbers[10:] == list(range(10, 30))
    assert numbers_in(read_frames(str(path), index, [5], (24, 32))) == [4]
    blank_packets(path, set(range(30)))
    with pytest.raises(UnreadableError, match="no frame can be decoded"):
        read_frames(str(path), index, [5], (24, 32))


def test_a_frame_that_cannot_be_decoded_where_frames_are_counted(tmp_path: Path) -> None:
    """AVI has no time stamps that would tell of it: there are as many frames as can be decoded."""
    path = write_video(tmp_path / "a.avi", numbered_frames(30), codec="mpeg4", key_every=10)
    blank_packets(path, {5})
    source = VideoFiles([str(path)])
    assert source.count(0) == 29
    # Up to the next key frame the decoder builds on the wrong picture; then all is right.
    assert numbers_in(source.read(0, range(9, 29), 24)) == list(range(10, 30))


def test_a_playlist_does_not_reach_the_network(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(UnreadableError):
        VideoFiles([str(path)]).read(0, [0], 24)


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(4))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AutodasError, match=r"'av'.*install autodas\[video\]"):
        VideoFiles([str(path)]).count(0)


class TestFrameFolders:
    def write(self, folder: Path, count: int) -> Path:
        from PIL import Image

        folder.mkdir()
        for i, frame in enumerate(numbered_frames(count, 24, 32)):
            Image.fromarray(frame).save(folder / f"{i:03d}.png")
        (folder / "notes.txt").write_text("not a frame")
        return folder

    def test_frames(self, tmp_path: Path) -> None:
        source = FrameFolders([str(self.write(tmp_path / "a", 12))])
        assert source.count(0) == 12
        assert source.size(0) == (24, 32)
        frames = source.read(0, [3, 11, 3], 12)
        assert frames.shape == (3, 12, 16, 3)
        assert numbers_in(frames) == [3, 11, 3]

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableError, match="contains no images"):
            FrameFolders([str(self.write(tmp_path / "a", 0))]).count(0)

    def test_frames_of_different_sizes(self, tmp_path: Path) -> None:
        from PIL import Image

        folder = self.write(tmp_path / "a", 3)
        Image.new("RGB", (24, 32)).save(folder / "001.png")
        with pytest.raises(UnreadableError, match="another size"):
            FrameFolders([str(folder)]).read(0, [0, 1], 12)
