"""Frames of video files, through PyAV; what is not needed is not decoded where the file allows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autodas.data.frames._index import FrameIndex
from autodas.data.frames._open import opened
from autodas.data.frames._pixels import Pixels
from autodas.data.frames._seek import SeekingFailedError, from_start, sought
from autodas.data.pixels._decode import UnreadableError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


def read_frames(path: str, index: FrameIndex, numbers: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Return frames of a video, resized.

    They are what decoding the video from its start gives, whichever of them are asked for. A frame that is
    damaged beyond decoding is replaced by the one that was shown before it.

    Args:
        path: the file.
        index: from :func:`read_index`.
        numbers: which frames, in any order, repeated or not.
        size: height and width of the result.

    Returns:
        uint8 (len(numbers), height, width, 3).

    Raises:
        UnreadableError: if none of them can be decoded.
    """
    wanted = sorted(set(numbers))
    pixels = Pixels(size, index.orientation)
    try:
        # After a jump into an open group a strict decoder of H.264 refuses healthy frames.
        with opened(path, strict=not index.has_open_groups()) as video:
            found = {number: pixels.of(frame) for number, frame in sought(video, index, wanted)}
    except SeekingFailedError:
        with opened(path) as video:
            found = _collect(from_start(video, index), wanted, pixels)
    return np.stack([found[number] for number in numbers])


def _collect(
    decoded: Iterator[tuple[int, VideoFrame]], wanted: list[int], pixels: Pixels
) -> dict[int, np.ndarray]:
    """Return the pixels of the frames that are wanted, ascending, from numbered ones."""
    found: dict[int, np.ndarray] = {}
    waiting = iter(wanted)
    number: int | None = next(waiting)
    last: VideoFrame | None = None
    for place, frame in decoded:
        while number is not None and place > number:
            # The frame itself did not come: what was shown before it stands for it.
            found[number] = pixels.of(last or frame)
            number = next(waiting, None)
        if place == number:
            found[number] = pixels.of(frame)
            number = next(waiting, None)
        if number is None:
            break
        last = frame
    while number is not None and last is not None:
        found[number] = pixels.of(last)
        number = next(waiting, None)
    if len(found) < len(wanted):
        raise UnreadableError("no frame can be decoded")
    return found
