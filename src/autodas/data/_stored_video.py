"""One file that holds the decoded frames of one video.

It begins with the frames, one after the other, as they are or as JPEG pictures. A table follows with place,
length and checksum of each, then a description in JSON, its length, and a mark, which a file that was cut off
lacks.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from autodas.data._decode import UnreadableError

Encoding = Literal["raw", "jpeg"]
"""How frames are stored: byte for byte, or as JPEG pictures."""

JPEG_QUALITY = 90

_MARK = b"autodas3"
_TABLE = np.dtype([("start", "<u8"), ("length", "<u4"), ("checksum", "<u4")])
_TAIL = 8 + len(_MARK)
_LONGEST = 1 << 16  # bytes of a description, and pixels of a side
_PIXELS = 1 << 28


class DamagedError(Exception):
    """A file that does not hold what was written."""


class StoredVideo(NamedTuple):
    """What a file holds.

    Args:
        frames: how many, 0 for a video that cannot be read.
        height, width, channels: of a frame.
        rate: frames a second of the video, ``None`` where nothing tells.
        encoding: how the frames are stored.
        bad: why the video cannot be read, ``None`` for one that can.
    """

    frames: int
    height: int
    width: int
    channels: int
    rate: float | None
    encoding: Encoding
    bad: str | None = None


def write_stored(
    file: IO[bytes], pieces: Iterable[np.ndarray], rate: Callable[[], float | None], encoding: Encoding
) -> StoredVideo:
    """Write the frames of a video, as they come.

    Args:
        file: open for writing, empty.
        pieces: uint8 (F, H, W, C), one after the other; where they raise UnreadableError, the file says so.
        rate: called afterwards for the frames a second.
        encoding: how frames are stored.
    """
    rows: list[tuple[int, int, int]] = []
    shape: tuple[int, ...] = (0, 0, 0)
    place = 0
    try:
        for piece in pieces:
            shape = piece.shape[1:]
            for frame in piece:
                data = _encoded(frame, encoding)
                file.write(data)
                rows.append((place, len(data), zlib.crc32(data)))
                place += len(data)
        found = StoredVideo(len(rows), shape[0], shape[1], shape[2], rate(), encoding)
    except UnreadableError as error:
        file.seek(0)
        file.truncate()
        rows = []
        found = StoredVideo(0, 0, 0, 0, None, encoding, str(error))
    file.write(np.array(rows, dtype=_TABLE).tobytes())
    description = json.dumps(found._asdict()).encode()
    file.write(description + len(description).to_bytes(8, "little") + _MARK)
    return found


def read_description(path: str) -> StoredVideo:
    """Return what a file holds.

    Raises:
        DamagedError: if it is not whole.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return _description(file)[0]


def read_stored(path: str, numbers: Sequence[int]) -> np.ndarray:
    """Return frames, uint8 (len(numbers), H, W, C).

    Args:
        path: the file.
        numbers: which, in any order, repeated or not.

    Raises:
        DamagedError: if they are not what was written.
        OSError: if the file cannot be read.
    """
    with open(path, "rb") as file:
        stored, place = _description(file)
        file.seek(place)
        table = np.frombuffer(file.read(stored.frames * _TABLE.itemsize), _TABLE)
        shape = (stored.height, stored.width, stored.channels)
        found: dict[int, np.ndarray] = {}
        for number in sorted(set(numbers)):
            if number >= stored.frames:
                raise DamagedError("frames are missing")
            start, length, checksum = table[number].tolist()
            if start + length > place:
                raise DamagedError("a frame lies outside")
            file.seek(start)
            data = file.read(length)
            if zlib.crc32(data) != checksum:
                raise DamagedError("a frame has changed")
            found[number] = _decoded(data, shape, stored.encoding)
    return np.stack([found[number] for number in numbers])


def _description(file: IO[bytes]) -> tuple[StoredVideo, int]:
    """Return what stands at the end of a file, and where its table begins."""
    size = file.seek(0, os.SEEK_END)
    if size < _TAIL:
        raise DamagedError("it is cut off")
    file.seek(size - _TAIL)
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:8], "little")
    if tail[8:] != _MARK or length > min(_LONGEST, size - _TAIL):
        raise DamagedError("it is cut off")
    file.seek(size - _TAIL - length)
    try:
        stored = StoredVideo(**json.loads(file.read(length)))
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedError("its description cannot be read") from error
    place = size - _TAIL - length - (stored.frames * _TABLE.itemsize if _sound(stored) else size)
    if place < 0:
        raise DamagedError("its description does not fit")
    return stored, place


def _sound(stored: StoredVideo) -> bool:
    """Return whether a description has values that can be."""

    def whole(value: Any, low: int, high: int) -> bool:
        return type(value) is int and low <= value <= high

    if stored.encoding not in ("raw", "jpeg"):
        return False
    if stored.bad is not None:
        return isinstance(stored.bad, str) and whole(stored.frames, 0, 0)
    return (
        whole(stored.frames, 1, 1 << 40)
        and whole(stored.height, 1, _LONGEST)
        and whole(stored.width, 1, _LONGEST)
        and whole(stored.channels, 1, 1024)
        and stored.height * stored.width * stored.channels <= _PIXELS
        and (stored.rate is None or (type(stored.rate) in (int, float) and 0 < stored.rate < 1e12))
    )


def _encoded(frame: np.ndarray, encoding: Encoding) -> bytes:
    if encoding == "raw":
        return frame.tobytes()
    import PIL.Image

    # What is not red, green and blue has its channels one below the other.
    picture = frame if frame.shape[-1] == 3 else np.concatenate(np.moveaxis(frame, -1, 0))
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _decoded(data: bytes, shape: tuple[int, ...], encoding: Encoding) -> np.ndarray:
    height, width, channels = shape
    if encoding == "raw":
        if len(data) != height * width * channels:
            raise DamagedError("a frame has another size")
        return np.frombuffer(data, np.uint8).reshape(shape)
    import PIL.Image

    mode, rows = ("RGB", height) if channels == 3 else ("L", channels * height)
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if (image.mode, image.size) != (mode, (width, rows)):
                raise DamagedError("a frame has another size")
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise DamagedError("a frame cannot be decoded") from error
    if channels == 3:
        return pixels
    found: np.ndarray = np.moveaxis(pixels.reshape(channels, height, width), 0, -1)
    # Flow has no 0 (see bytes_of_flow), which would be its own opposite.
    return np.maximum(found, 1) if channels == 2 else found
