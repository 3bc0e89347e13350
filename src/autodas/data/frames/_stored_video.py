"""File format for the decoded frames of one video.

A file begins with the frames, one after the other, raw or as JPEG images. A table follows with position,
length and checksum of each, then a description in JSON, and a tail with lengths and checksum of these two, so
that truncated or changed files are detected. The headers of all JPEG images of a video are equal: they are
stored once, in the description, since a header is as long as a small image.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, Literal, NamedTuple, get_args

import numpy as np

from autodas.data.frames._clock import Clock
from autodas.data.pixels._decode import UnreadableError
from autodas.errors import AutodasError
from autodas.reading import TEXT, Fields, Items, Number, OneOf, Optional, Whole, parse_json

Encoding = Literal["raw", "jpeg"]
"""Encoding of frames: byte for byte, or as JPEG images."""

JPEG_QUALITY = 90

_SCAN = b"\xff\xda"  # begins the last segment of a JPEG header, which states its length
_MARK = b"autodas4"
_TABLE = np.dtype([("start", "<u8"), ("length", "<u4"), ("checksum", "<u4")])
_TAIL = struct.Struct("<QQI8s")  # frames, bytes of the description, checksum, mark


class DamagedError(Exception):
    """A file that does not contain what was written."""


class StoredVideo(NamedTuple):
    """Description of a file.

    Args:
        frames: number of frames, 0 for a video that cannot be read.
        height, width, channels: of a frame.
        clock: clock of the video; ``None`` if unknown.
        encoding: encoding of the frames.
        head: header of all JPEG images; empty for raw frames.
        bad: reason why the video cannot be read; ``None`` if it can.
    """

    frames: int
    height: int
    width: int
    channels: int
    clock: Clock | None
    encoding: Encoding
    head: bytes = b""
    bad: str | None = None


def write_stored(
    file: IO[bytes], pieces: Iterable[np.ndarray], clock: Callable[[], Clock | None], encoding: Encoding
) -> StoredVideo:
    """Write the frames of a video as they arrive.

    Args:
        file: file open for writing, empty.
        pieces: uint8 (F, H, W, C), one after the other; if they raise UnreadableError, the file records it.
        clock: function that returns the clock of the video, called afterwards.
        encoding: encoding of the frames.
    """
    rows: list[tuple[int, int, int]] = []
    shape: tuple[int, ...] = (0, 0, 0)
    place, head = 0, b""
    try:
        for piece in pieces:
            shape = piece.shape[1:]
            for frame in piece:
                own, data = _encoded(frame, encoding)
                assert head in (b"", own), "frames of one size have one header"
                head = own
                file.write(data)
                rows.append((place, len(data), zlib.crc32(data)))
                place += len(data)
        video = StoredVideo(len(rows), shape[0], shape[1], shape[2], clock(), encoding, head)
    except UnreadableError as error:
        file.seek(0)
        file.truncate()
        rows = []
        video = StoredVideo(0, 0, 0, 0, None, encoding, bad=str(error))
    description = json.dumps(_described(video)).encode()
    facts = np.array(rows, dtype=_TABLE).tobytes() + description
    file.write(facts + _TAIL.pack(len(rows), len(description), zlib.crc32(facts), _MARK))
    return video


def bytes_of_frame(frame: np.ndarray, encoding: Encoding) -> int:
    """Return the bytes that a frame, uint8 (H, W, C), takes in a file."""
    return len(_encoded(frame, encoding)[1]) + _TABLE.itemsize


def read_description(path: str) -> StoredVideo:
    """Return the description of a file.

    Raises:
        DamagedError: if it is incomplete.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return _facts(file)[0]


def read_stored(path: str, numbers: Sequence[int]) -> np.ndarray:
    """Return frames, uint8 (len(numbers), H, W, C).

    Args:
        path: the file.
        numbers: numbers of the frames, in any order, possibly repeated.

    Raises:
        DamagedError: if they are not what was written.
        OSError: if the file cannot be read.
    """
    with open(path, "rb") as file:
        stored, table = _facts(file)
        size = file.seek(0, os.SEEK_END)
        decode = _decoder(stored)
        frames: dict[int, np.ndarray] = {}
        for number in sorted(set(numbers)):
            if number >= len(table):
                raise DamagedError("frames are missing")
            start, length, checksum = table[number].tolist()
            if start + length > size:
                raise DamagedError("a frame is truncated")
            file.seek(start)
            data = file.read(length)
            if zlib.crc32(data) != checksum:
                raise DamagedError("a frame has changed")
            frames[number] = decode(data)
    return np.stack([frames[number] for number in numbers])


def _facts(file: IO[bytes]) -> tuple[StoredVideo, np.ndarray]:
    """Return the description and the table of a file."""
    size = file.seek(0, os.SEEK_END)
    if size < _TAIL.size:
        raise DamagedError("it is truncated")
    file.seek(size - _TAIL.size)
    frames, length, checksum, mark = _TAIL.unpack(file.read(_TAIL.size))
    place = size - _TAIL.size - length - frames * _TABLE.itemsize
    if mark != _MARK or place < 0:
        raise DamagedError("it is truncated")
    file.seek(place)
    facts = file.read(size - _TAIL.size - place)
    if zlib.crc32(facts) != checksum:
        raise DamagedError("its description has changed")
    split = frames * _TABLE.itemsize
    try:
        description = parse_json(facts[split:], "it")
        _shape(frames).check(description, "it")
        stored = _stored(description)
    except (AutodasError, ValueError) as error:
        raise DamagedError("its description has changed") from error
    return stored, np.frombuffer(facts[:split], _TABLE)


def _shape(frames: int) -> Fields:
    """Return the expected shape of :func:`_described` for the given number of frames."""
    return Fields(
        {
            "frames": Whole(frames, frames),
            **dict.fromkeys(("height", "width", "channels"), Whole(0, 2**16)),
            "rate": Optional(Number(0, above=True)),
            "times": Optional(Items(Whole(), frames, frames)),
            "encoding": OneOf(get_args(Encoding)),
            "head": TEXT,
            "bad": Optional(TEXT),
        }
    )


def _described(video: StoredVideo) -> dict[str, Any]:
    """Return the description of a video as plain data, with rate and times of its clock."""
    facts = video._asdict()
    rate, times = facts.pop("clock") or (None, None)
    times = None if times is None else times.tolist()
    return {**facts, "head": video.head.hex(), "rate": rate, "times": times}


def _stored(facts: dict[str, Any]) -> StoredVideo:
    """Return the video from its description of :func:`_described`; raises ValueError."""
    facts = dict(facts)
    rate, times, head = facts.pop("rate"), facts.pop("times"), bytes.fromhex(facts.pop("head"))
    clock = None if rate is None else Clock(rate, None if times is None else np.array(times, np.int64))
    own = {name: facts[name] for name in StoredVideo._fields if name in facts}
    return StoredVideo(clock=clock, head=head, **own)


def _encoded(frame: np.ndarray, encoding: Encoding) -> tuple[bytes, bytes]:
    """Return the header that all frames of a video share, and the rest of a frame."""
    if encoding == "raw":
        return b"", frame.tobytes()
    import PIL.Image

    # Frames that are not red, green and blue have their channels one below the other.
    picture = frame if frame.shape[-1] == 3 else np.concatenate(np.moveaxis(frame, -1, 0))
    buffer = io.BytesIO()
    # Without optimisation, tables and so the header follow from size and quality alone.
    PIL.Image.fromarray(np.ascontiguousarray(picture)).save(
        buffer, "JPEG", quality=JPEG_QUALITY, optimize=False, progressive=False
    )
    data = buffer.getvalue()
    end = data.index(_SCAN) + len(_SCAN)
    end += int.from_bytes(data[end : end + 2])
    return data[:end], data[end:]


def _decoder(stored: StoredVideo) -> Callable[[bytes], np.ndarray]:
    """Return a function from the bytes of a frame to its pixels; both raise DamagedError."""
    height, width, channels = stored.height, stored.width, stored.channels

    def decode_raw(data: bytes) -> np.ndarray:
        if len(data) != height * width * channels:
            raise DamagedError("a frame has another size")
        return np.frombuffer(data, np.uint8).reshape(height, width, channels)

    if stored.encoding == "raw":
        return decode_raw
    import PIL.Image

    mode, size = ("RGB", (width, height)) if channels == 3 else ("L", (width, height * channels))
    try:
        with PIL.Image.open(io.BytesIO(stored.head), formats=["JPEG"]) as image:
            found = image.mode, image.size
    except (OSError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise DamagedError("its description has changed") from error
    if found != (mode, size):
        raise DamagedError("a frame has another size")

    def decode_jpeg(data: bytes) -> np.ndarray:
        # Opening every frame as an image would parse the same header again, a third of the time.
        try:
            image = PIL.Image.frombytes(mode, size, stored.head + data, "jpeg", mode, "")
        except (OSError, ValueError) as error:
            raise DamagedError("a frame has changed") from error
        pixels = np.frombuffer(image.tobytes(), np.uint8)
        if channels == 3:
            return pixels.reshape(height, width, 3)
        values: np.ndarray = np.moveaxis(pixels.reshape(channels, height, width), 0, -1)
        # Flow has no 0 (see bytes_of_flow), which would be its own opposite.
        return np.maximum(values, 1) if channels == 2 else values

    return decode_jpeg
