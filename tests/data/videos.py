"""Small real video files for tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def numbered_frames(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames (count, height, width, 3) whose grey value is their number, 3 steps apart."""
    values = (20 + 3 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (count, height, width, 3)).copy()


def numbers_in(frames: np.ndarray) -> list[int]:
    """Read the numbers back from frames (..., H, W, C); colour conversion makes them up to 2 darker."""
    means = frames.reshape(*frames.shape[:-3], -1).mean(-1)
    found: list[int] = np.rint((means - 19) / 3).astype(int).tolist()
    return found


def write_video(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    key_every: int = 12,
    rate: int = 25,
    turned: int = 0,
    milliseconds: Sequence[int] = (),
) -> Path:
    """Encode frames, uint8 (F, H, W, 3).

    Players turn them anticlockwise by so many degrees, and show each for so many milliseconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if turned:
            stream.set_display_rotation(turned)
        stream.codec_context.gop_size = key_every
        stream.bit_rate = 8_000_000
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if milliseconds:
                frame.pts = sum(milliseconds[:number])
                frame.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def write_sound(path: Path) -> Path:
    """Write a file that has sound and no pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        samples = np.zeros((1, 8000), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 8000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    return path


def blank_packets(path: Path, numbers: set[int]) -> None:
    """Overwrite encoded frames of an .avi or .mp4 file with zeros; its container stays whole."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if number in numbers and packet.size and packet.pos is not None:
                content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(content)


def moving_square(count: int, kind: int, place: int, side: int = 32) -> np.ndarray:
    """A bright square that moves to the right (0) or down (1): frames (count, side, side, 3)."""
    frames = np.full((count, side, side, 3), 40, dtype=np.uint8)
    for i in range(count):
        across, down = ((i + place) % side, place % side) if kind == 0 else (place % side, (i + place) % side)
        frames[i, down : down + 8, across : across + 8] = 220
    return frames


def write_classes(root: Path, *, train: int = 4, test: int = 2, frames: int = 24) -> Path:
    """Write ``root/train`` and ``root/test`` with the classes ``right`` and ``down``."""
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(("right", "down")):
            for i in range(count):
                write_video(root / split / name / f"{i}.mp4", moving_square(frames + i, label, 3 * i))
    return root
