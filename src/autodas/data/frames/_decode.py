"""Frames of video files, through PyAV; frames that are not needed are skipped if the file allows it."""

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

    They are identical to those of decoding the video from its start, whichever are requested. A frame that is
    damaged beyond decoding is replaced by the one shown before it.

    Args:
        path: the file.
        index: result of :func:`read_index`.
        numbers: numbers of the frames, in any order, possibly repeated.
        size: height and width of the result.

    Returns:
        uint8 (len(numbers), height, width, 3).

    Raises:
        UnreadableError: if none of them can be decoded.
    """
    wanted = sorted(set(numbers))
    pixels = Pixels(size, index.orientation)
    try:
        # After a jump into an open group a strict H.264 decoder rejects intact frames.
        with opened(path, strict=not index.has_open_groups()) as video:
            frames = {number: pixels.of(frame) for number, frame in sought(video, index, wanted)}
    except SeekingFailedError:
        with opened(path) as video:
            frames = _collect(from_start(video, index), wanted, pixels)
    return np.stack([frames[number] for number in numbers])


def _collect(
    decoded: Iterator[tuple[int, VideoFrame]], wanted: list[int], pixels: Pixels
) -> dict[int, np.ndarray]:
    """Return the pixels of the wanted frames, ascending, from numbered ones."""
    collected: dict[int, np.ndarray] = {}
    waiting = iter(wanted)
    number: int | None = next(waiting)
    last: VideoFrame | None = None
    for place, frame in decoded:
        while number is not None and place > number:
            # The frame itself is missing: the one shown before it replaces it.
            collected[number] = pixels.of(last or frame)
            number = next(waiting, None)
        if place == number:
            collected[number] = pixels.of(frame)
            number = next(waiting, None)
        if number is None:
            break
        last = frame
    while number is not None and last is not None:
        collected[number] = pixels.of(last)
        number = next(waiting, None)
    if len(collected) < len(wanted):
        raise UnreadableError("no frame can be decoded")
    return collected
