"""The right frames of every format: their numbers are written into their pixels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.data.bar_codes import HEIGHT, WIDTH, bar_coded, numbers_of, texture
from tests.data.video_variants import MISLEADING, VARIANTS, Variant, lacking, write_variant
from tests.data.videos import write_video

from autodas.data._check_files import damage_in_video
from autodas.data._read_video import clips_along, count_along
from autodas.data.frames import _decode as _video_decode
from autodas.data.frames import _open as _video_open
from autodas.data.frames._clock import Clock
from autodas.data.frames._decode import read_frames
from autodas.data.frames._index import FrameIndex, Key, read_index
from autodas.data.frames._open import opened
from autodas.data.frames._seek import from_start, sought
from autodas.data.frames._sources import VideoFiles
from autodas.data.pixels._decode import UnreadableError
from autodas.data.splits._clips import Clips
from autodas.data.splits._videos import Videos

pytestmark = pytest.mark.slow

COUNT = 60
PACKED = Path(__file__).parent / "packed_b_frames.avi"
# One for each way of finding frames; the others are tried by the slow test below.
QUICK = (
    "H.264 in MP4, long groups",
    "H.264 in MP4, open groups",
    "H.264 in MP4, intra refresh",
    "H.264 in MP4, key frames only",
    "H.264 in MP4, 16 B-frames",
    "H.264 in MP4, variable rate",
    "H.264 in MP4, late start",
    "H.264 in MP4, fragments",
    "H.264 in MKV, picture in the first stream",
    "H.264 in MKV, no cues",
    "H.264 in FLV",
    "H.264 in AVI, B-frames",
    "H.264 in TS, short groups",
    "H.264 in TS, open groups",
    "H.264 in TS, intra refresh",
    "H.264 in TS, beginning lost",
    "H.264 in PS",
    "H.264 bare",
    "VP8 in WebM, hidden frames",
    "VP9 in WebM, hidden frames",
    "MPEG-4 in AVI, B-frames",
    "MPEG-4 bare",
    "MPEG-2 in PS, sound",
    "MPEG-2 in PS, beginning lost",
    "MPEG-2 in TS, interlaced",
    "MPEG-1 in AVI",
    "WMV2 in ASF, sound",
    "MJPEG in AVI",
    "GIF",
)


def check(path: Path, held: list[int]) -> None:
    """Ask for frames in many ways; ``held`` are the numbers of those in the file."""
    index = read_index(str(path))
    assert index.frames == len(held)
    rng = np.random.default_rng(0)
    last = index.frames - 1
    asked = [list(range(index.frames)), [last], [0], [last // 2, 0, last, last // 2]]
    asked += [list(range(start, min(start + 8, last + 1))) for start in rng.integers(0, last, 4)]
    asked += [rng.integers(0, last + 1, 5).tolist() for _ in range(4)]
    for numbers in asked:
        frames = read_frames(str(path), index, numbers, (HEIGHT, WIDTH))
        assert numbers_of(frames) == [held[number] for number in numbers]


def held_by(path: Path) -> list[int]:
    """Decode a video from its start; return the numbers of its frames."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.thread_type = "NONE"
        frames = [frame.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray() for frame in container.decode(stream)]
    return numbers_of(np.stack(frames))


def write(variant: Variant, folder: Path) -> Path:
    if missing := lacking(variant):
        pytest.skip(missing)
    path = folder / variant.file
    write_variant(variant, path, texture(COUNT))
    return path


@pytest.mark.parametrize("name", QUICK)
def test_the_frames_that_are_asked_for(tmp_path: Path, name: str) -> None:
    variant = VARIANTS[name]
    path = write(variant, tmp_path)
    check(path, list(range(COUNT)) if variant.kept == (0, 1) else held_by(path))


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - set(QUICK)))
def test_the_frames_that_are_asked_for_of_further_formats(tmp_path: Path, name: str) -> None:
    variant = VARIANTS[name]
    path = write(variant, tmp_path)
    if variant.kept[1] < 1:
        # The last frame is a part of one, so its number may not be readable.
        check_alone(path)
    else:
        check(path, held_by(path) if variant.ffmpeg or variant.kept != (0, 1) else list(range(COUNT)))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux only")
def test_making_a_video_leaves_the_scheduling_of_this_process(tmp_path: Path) -> None:
    variant = VARIANTS["AV1 in MP4"]
    if missing := lacking(variant):
        pytest.skip(missing)
    before = os.sched_getscheduler(0)
    write_variant(variant, tmp_path / variant.file, np.zeros((24, 64, 96, 3), np.uint8))
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize("name", MISLEADING)
def test_frames_of_files_that_mislead(tmp_path: Path, name: str) -> None:
    """Every frame alone is, to the byte, the one that decoding from the start gives."""
    path = write_or_skip(MISLEADING[name], tmp_path)
    check(path, list(range(COUNT)))
    check_alone(path)


def write_or_skip(variant: Variant, folder: Path) -> Path:
    try:
        return write(variant, folder)
    except (subprocess.CalledProcessError, av.error.FFmpegError):
        pytest.skip("this build of FFmpeg has an encoder less")


def check_alone(path: Path) -> None:
    """Compare each frame that is asked for alone, and all together, with decoding from the start."""
    index = read_index(str(path))
    size, every = (index.height, index.width), list(range(index.frames))
    with opened(str(path)) as video:
        pixels = _video_decode.Pixels(size, index.orientation)
        expected = _video_decode._collect(from_start(video, index), every, pixels)
    assert len({frame.tobytes() for frame in expected.values()}) > 3 / 4 * len(every)
    together = read_frames(str(path), index, every, size)
    for number in every:
        alone = read_frames(str(path), index, [number], size)[0]
        assert np.array_equal(alone, expected[number]), number
        assert np.array_equal(together[number], expected[number]), number


def test_only_key_frames_of_the_decoder_are_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container marks each packet of H.263 as a key; the index is not misled, and jumps are made."""
    path = write_or_skip(MISLEADING["H.263 in MKV"], tmp_path)
    with av.open(str(path)) as container:
        decoded = [frame.key_frame for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        assert all(packet.is_keyframe for packet in container.demux(video=0) if packet.size)
    keys = read_index(str(path)).keys
    assert keys[:, Key._fields.index("number")].tolist() == np.flatnonzero(decoded).tolist()
    monkeypatch.setattr(_video_decode, "from_start", _never)
    check(path, list(range(COUNT)))


def test_a_packet_that_is_marked_as_a_key_late_in_the_file(tmp_path: Path) -> None:
    """Only the first frames are decoded for an index: later keys are believed when the decoder agrees."""
    path = write(VARIANTS["H.264 in MP4, long groups"], tmp_path)
    index = read_index(str(path))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        place = next(i for i, packet in enumerate(packets) if i > 30 and index.order[i] == i)
        false = Key(place, place, packets[place].pts, packets[place].dts, packets[place - 1].dts, 0, -1)
        false = false._replace(size=packets[place].size)
    misled = index._replace(keys=np.concatenate([index.keys, [false]]))
    assert numbers_of(read_frames(str(path), misled, [place, 55], (HEIGHT, WIDTH))) == [place, 55]


def test_a_key_frame_that_an_edit_list_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(VARIANTS["H.264 in MP4, cut between key frames (edit list)"], tmp_path)
    held = held_by(path)
    monkeypatch.setattr(_video_decode, "from_start", _never)
    check(path, held)


@pytest.mark.parametrize(
    "name", ["MJPEG in AVI", "MPEG-4 in AVI, B-frames", "H.264 in MP4, short closed groups", "PNG in MOV"]
)
def test_damaged_frames_are_the_same_whatever_is_asked_for(tmp_path: Path, name: str) -> None:
    path = write(VARIANTS[name], tmp_path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        places = [(packet.pos, packet.size) for packet in packets]
        keys = [i for i, packet in enumerate(packets) if packet.is_keyframe and i]
    content = bytearray(path.read_bytes())
    for number in (keys[0], 33, 34, keys[-1]):
        position, size = places[number]
        content[position + size // 2 : position + size // 2 + 12] = bytes(range(200, 212))
    path.write_bytes(content)
    check_alone(path)


@pytest.mark.parametrize("name", ["MJPEG in AVI", "UtVideo in AVI", "Raw in AVI", "H.264 in FLV"])
def test_a_last_frame_that_is_cut_off_is_the_same_whatever_is_asked_for(tmp_path: Path, name: str) -> None:
    path = write(VARIANTS[name], tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: round(0.6 * len(content))])
    check_alone(path)


def write_with_unknown(path: Path, known: int) -> Path:
    """Write a file with videos, the last of which has a codec that does not exist."""
    codecs = ["libx264"] * known + ["ffv1"]
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=25) for codec in codecs]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for pixels in bar_coded(texture(12)):
            for stream in streams:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    content = path.read_bytes()
    assert content.count(b"V_FFV1") == 1
    path.write_bytes(content.replace(b"V_FFV1", b"V_NONE"))
    return path


def test_a_stream_of_an_unknown_codec_is_left_aside(tmp_path: Path) -> None:
    check(write_with_unknown(tmp_path / "a.mkv", 1), list(range(12)))


def test_a_file_that_nothing_decodes(tmp_path: Path) -> None:
    path = write_with_unknown(tmp_path / "a.mkv", 0)
    with pytest.raises(UnreadableError, match="there is no decoder for its codec"):
        VideoFiles([str(path)]).count(0)


def test_xvid_with_packed_b_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their time stamps do not ascend.

    The file is from ``ffmpeg -c:v libxvid -bf 2 -g 15`` of 51 frames; that encoder loses the last two.
    """
    monkeypatch.setattr(_video_decode, "from_start", _never)
    check(PACKED, list(range(49)))
    assert read_index(str(PACKED)).clock == Clock(25)


@pytest.mark.parametrize(
    "name", ["H.264 in TS, short groups", "H.264 in TS, open groups", "MPEG-2 in TS", "MPEG-2 in PS"]
)
def test_healthy_streams_are_not_decoded_from_their_start(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(VARIANTS[name], tmp_path)
    monkeypatch.setattr(_video_decode, "from_start", _never)
    check(path, list(range(COUNT)))


def _never(*arguments: object) -> Iterator[tuple[int, av.VideoFrame]]:
    raise AssertionError("decoded from the start")


@pytest.mark.parametrize("name", ["H.264 in MP4, open groups", "H.264 in AVI, B-frames", "MPEG-2 in PS"])
def test_leaving_out_frames_changes_no_byte(tmp_path: Path, name: str) -> None:
    path = write(VARIANTS[name], tmp_path)
    index = read_index(str(path))
    with av.open(str(path)) as container:
        everything = [
            frame.reformat(80, 60, "rgb24", interpolation="BILINEAR").to_ndarray()
            for frame in container.decode(video=0)
        ]
    for numbers in ([*range(37, 53)], [11, 13, 17, 40], [59]):
        found = read_frames(str(path), index, numbers, (60, 80))
        assert np.array_equal(found, np.stack([everything[number] for number in numbers]))


def test_frames_that_nothing_refers_to_are_not_decoded_before_a_clip(tmp_path: Path) -> None:
    variant = VARIANTS["H.264 in MP4, long groups"]
    path = write(variant, tmp_path)
    index = read_index(str(path))

    class Counting:
        """The opened video, with a note of each frame that comes out."""

        def __init__(self, video: _video_open.Video) -> None:
            self.video, self.frames = video, 0

        def __getattr__(self, name: str) -> object:
            return getattr(self.video, name)

        def decode(self, *arguments: object) -> list[av.VideoFrame]:
            found = self.video.decode(*arguments)  # type: ignore[arg-type]
            self.frames += len(found)
            return found

    with opened(str(path)) as video:
        counting = Counting(video)
        assert [number for number, _ in sought(counting, index, [50])] == [50]  # type: ignore[arg-type]
    assert counting.frames < 40  # of 51 frames from the only key frame on


def test_two_videos_at_once_do_not_mix_up_their_frames(tmp_path: Path) -> None:
    paths = [str(write_video(tmp_path / f"{i}.mp4", bar_coded(texture(30)), key_every=30)) for i in range(3)]
    indices = [read_index(path) for path in paths]
    with opened(paths[0]) as first, opened(paths[1]) as second:
        walks = [from_start(first, indices[0]), from_start(second, indices[1])]
        numbers = []
        for _ in range(30):
            numbers.append([next(walk)[0] for walk in walks])
            read_frames(paths[2], indices[2], [1], (HEIGHT, WIDTH))
    assert numbers == [[i, i] for i in range(30)]


def test_a_video_without_a_key_frame_before_the_one_wanted(tmp_path: Path) -> None:
    path = write(VARIANTS["H.264 in TS, beginning lost"], tmp_path)
    index = read_index(str(path))
    bare = index._replace(keys=index.keys[1:])
    held = held_by(path)
    assert numbers_of(read_frames(str(path), bare, [0, 3], (HEIGHT, WIDTH))) == [held[0], held[3]]


def test_keys_that_are_not_where_the_index_says(tmp_path: Path) -> None:
    """A jump is not believed without a look: the video is decoded from its start then."""
    path = write(VARIANTS["H.264 in MP4, short closed groups"], tmp_path)
    index = read_index(str(path))
    keys = index.keys.copy()
    keys[1:, Key._fields.index("size")] += 1
    assert numbers_of(read_frames(str(path), index._replace(keys=keys), [40], (HEIGHT, WIDTH))) == [40]
    # Where time stamps are no help, the pixels of the key frame are compared.
    path = write(VARIANTS["H.264 in AVI, B-frames"], tmp_path)
    index = read_index(str(path))
    keys = index.keys.copy()
    keys[1:, 2:6] = index.keys[:-1, 2:6]
    assert numbers_of(read_frames(str(path), index._replace(keys=keys), [40], (HEIGHT, WIDTH))) == [40]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_the_rate_of_a_single_frame_is_that_which_the_file_claims(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, texture(1), codec="mpeg4", rate=10)
    assert VideoFiles([str(path)]).clock(0) == Clock(10)
    (part,) = clips_along(path, 1, channels=3, image_size=32, clips=Clips(frames=2))
    assert (part.start, part.end, count_along(path, 1)) == (0, 0.1, 1)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("H.264 in MP4, short closed groups", 25),
        ("H.264 in MP4, 29.97", 30000 / 1001),
        ("H.264 in MKV, open groups, 29.97", 30000 / 1001),
        ("H.264 in TS, 29.97, sound", 30000 / 1001),
        ("H.264 in MP4, late start", 25),
        ("H.264 in AVI, B-frames", 25),
        ("MPEG-2 in PS", 25),
        ("H.264 bare", None),
    ],
)
def test_rates(tmp_path: Path, name: str, rate: float | None) -> None:
    path = write(VARIANTS[name], tmp_path)
    expected = None if rate is None else (pytest.approx(rate, rel=1e-6), None)
    assert VideoFiles([str(path)]).clock(0) == expected


def test_the_rate_is_not_that_of_a_container_that_lies(tmp_path: Path) -> None:
    """A pause of a minute makes the mean rate of the container a fraction of the frames' own."""
    steps = (40,) * 30 + (60_000,) + (40,) * 40
    path = tmp_path / "a.mkv"
    write_variant(
        Variant("a.mkv", options={"preset": "veryfast", "crf": "18"}, milliseconds=steps),
        path,
        texture(COUNT),
    )
    clock = VideoFiles([str(path)]).clock(0)
    assert clock is not None
    assert clock.rate == pytest.approx(25, rel=0.01)
    assert clock.times is not None
    assert clock.times.tolist() == [1000 * sum(steps[:i]) for i in range(COUNT)]


MATRICES = [
    (a, b, c, d)
    for a, b, c, d in (
        *((a, 0, 0, d) for a in (1, -1) for d in (1, -1)),
        *((0, b, c, 0) for b in (1, -1) for c in (1, -1)),
    )
]


def write_with_matrix(
    path: Path, frames: np.ndarray, matrix: tuple[int, int, int, int], unit: int = 1 << 16
) -> Path:
    """Write a video with a display matrix: what is stored at (x, y) is shown at (a x + c y, b x + d y)."""
    a, b, c, d = (unit * entry for entry in matrix)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "12"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def shown_by_matrix(frame: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Return a frame as shown, pixel by pixel."""
    a, b, c, d = matrix
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    shown = np.zeros((down.max() + 1, across.max() + 1, 3), dtype=frame.dtype)
    shown[down, across] = frame
    return shown


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_orientation_is_shown_as_its_display_matrix_says(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    frames = np.full((3, 48, 64, 3), 20, dtype=np.uint8)
    frames[:, :16, :16], frames[:, :16, 48:], frames[:, 32:, :16] = (
        (220, 40, 40),
        (40, 220, 40),
        (60, 60, 230),
    )
    path = str(write_with_matrix(tmp_path / "a.mp4", frames, matrix))
    index = read_index(path)
    expected = shown_by_matrix(frames[1], matrix)
    assert (index.height, index.width) == expected.shape[:2]
    shown = read_frames(path, index, [1], (index.height, index.width))[0]
    assert np.abs(shown.astype(int) - expected).mean() < 8
    if shutil.which("ffmpeg"):
        command = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        raw = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
        played = np.frombuffer(raw, np.uint8).reshape(3, *expected.shape)
        assert np.abs(shown.astype(int) - played[1]).mean() < 8


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (1, 1, -1, 1)])
def test_an_empty_or_oblique_display_matrix_turns_nothing(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    frames = bar_coded(texture(3))
    path = str(write_with_matrix(tmp_path / "a.mp4", frames, matrix))
    index = read_index(path)
    assert numbers_of(read_frames(path, index, [0, 1, 2], (HEIGHT, WIDTH))) == [0, 1, 2]


def test_the_larger_of_two_videos_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for height, width in ((60, 80), (HEIGHT, WIDTH)):
            stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            streams.append(stream)
        large = bar_coded(texture(5))
        for frames, stream in zip((large[:, ::2, ::2].copy(), large), streams, strict=True):
            for pixels in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    index = read_index(str(path))
    assert (index.height, index.width) == (HEIGHT, WIDTH)
    check(path, list(range(5)))


def test_a_song_with_a_cover_is_no_video(tmp_path: Path) -> None:
    from av.stream import Disposition

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 60, 80, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        sound = container.add_stream("aac", rate=8000, layout="mono")
        container.mux(
            cover.encode(av.VideoFrame.from_ndarray(np.zeros((60, 80, 3), np.uint8), format="rgb24"))
        )
        container.mux(cover.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux([*sound.encode(frame), *sound.encode()])
    with pytest.raises(UnreadableError, match="only a cover image"):
        VideoFiles([str(path)]).count(0)


def test_clips_of_one_video_are_read_from_one_opened_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", bar_coded(texture(COUNT)), key_every=12)
    frames = VideoFiles([str(path)])
    frames.count(0)
    inner, calls = _video_open.open_container, []

    def counting(path: str, **settings: Any) -> object:
        calls.append(path)
        return inner(path, **settings)

    monkeypatch.setattr(_video_open, "open_container", counting)
    videos = Videos(
        frames,
        np.arange(1),
        np.zeros(1, dtype=np.int64),
        clips=Clips(frames=4),
        side=HEIGHT,
        channels=3,
        image_size=HEIGHT,
    )
    assert len(videos.evaluation_views(0, range(20), 20)) == 20
    assert len(calls) == 1


def test_metadata_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "XXXXXX"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for packet in [*stream.encode(av.VideoFrame(32, 32, "yuv420p")), *stream.encode()]:
            container.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"XXXXXX", "Zürich".encode("latin-1")))
    assert VideoFiles([str(path)]).count(0) == 1
    assert damage_in_video(str(path)) is None


def test_a_file_that_claims_too_many_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", texture(COUNT))
    monkeypatch.setattr("autodas.data.frames._index._MOST_PACKETS", 50)
    with pytest.raises(UnreadableError, match="more than 50 frames"):
        VideoFiles([str(path)]).count(0)


def test_a_file_that_claims_enormous_frames(tmp_path: Path) -> None:
    path = write(VARIANTS["MJPEG in AVI"], tmp_path)
    content = bytearray(path.read_bytes())
    for place in range(len(content) - 4):  # height and width in the headers of the JPEG pictures
        if content[place : place + 2] == b"\xff\xc0":
            content[place + 5 : place + 9] = (65_000).to_bytes(2, "big") * 2
    path.write_bytes(content)
    with pytest.raises(UnreadableError):
        VideoFiles([str(path)]).read(0, [0], 24)


def test_the_decoder_does_not_write_to_the_terminal(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", bar_coded(texture(COUNT)), key_every=10)
    content = bytearray(path.read_bytes())
    for start in range(len(content) // 4, len(content) // 2, 500):
        content[start : start + 30] = bytes(30)
    path.write_bytes(content)
    code = (
        "import sys; from autodas.data.frames._sources import VideoFiles; v = VideoFiles(sys.argv[1:]);"
        "print(v.read(0, range(v.count(0)), 24).shape[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == (f"{COUNT}\n", "")


def test_index_of_a_file_that_is_decoded_once_has_the_keys_it_needs() -> None:
    index: FrameIndex = read_index(str(PACKED))
    assert len(index.keys) >= 3
    assert (index.keys[:, 6] >= 0).all()


@pytest.mark.parametrize("name", ["H.264 in MP4, open groups", "HEVC in MP4, open groups", "H.263 in MKV"])
def test_jumps_into_healthy_videos_are_believed(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_or_skip({**VARIANTS, **MISLEADING}[name], tmp_path)
    monkeypatch.setattr(_video_decode, "from_start", _never)
    check(path, list(range(COUNT)))


@pytest.mark.parametrize(
    ("name", "is_open"),
    [
        ("H.264 in MP4, short closed groups", False),
        ("HEVC in MP4, open groups", True),
        ("MPEG-2 in PS", True),
        ("H.264 bare", False),
        ("MJPEG in AVI", False),
    ],
)
def test_open_groups(tmp_path: Path, name: str, is_open: bool) -> None:
    assert read_index(str(write(VARIANTS[name], tmp_path))).has_open_groups() == is_open
