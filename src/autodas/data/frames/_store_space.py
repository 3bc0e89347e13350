"""Disk space that stored frames will need."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from autodas.data.frames._sources import FrameSource, resized
from autodas.data.frames._stored_video import Encoding, bytes_of_frame
from autodas.data.pixels._decode import UnreadableError

SAMPLE = 32
"""Number of videos of which a frame is compressed for an estimate."""


class Space(NamedTuple):
    """Number of frames of some videos, and the bytes that they take when stored."""

    frames: int
    bytes: int


def space_of(
    source: FrameSource, indices: Sequence[int], side: int, encoding: Encoding, threads: int
) -> Space:
    """Return the space that frames of videos will need; of compressed frames it is an estimate.

    Unreadable videos need none. The estimate assumes that all frames are compressed as well as those in the
    middle of some videos.

    Args:
        source: the videos.
        indices: indices of the videos to be stored.
        side: short side of the stored frames.
        encoding: their encoding.
        threads: number of videos that are examined at a time.
    """

    def raw(index: int) -> Space:
        try:
            height, width = resized(*source.size(index), side)
            return Space(source.count(index), source.count(index) * height * width * source.channels)
        except UnreadableError:
            return Space(0, 0)

    def compressed(index: int) -> tuple[int, int]:
        try:
            (frame,) = source.read(index, [source.count(index) // 2], side)
        except UnreadableError:
            return 0, 0
        return bytes_of_frame(frame, encoding), frame.nbytes

    with ThreadPoolExecutor(threads) as pool:
        frames, size = np.sum([*pool.map(raw, indices)], axis=0).tolist()
        if encoding != "raw":
            sample = np.unique(np.linspace(0, len(indices) - 1, SAMPLE).astype(int)).tolist()
            after, before = np.sum([*pool.map(compressed, [indices[i] for i in sample])], axis=0).tolist()
            size = size * after // max(1, before)
    return Space(frames, size)
