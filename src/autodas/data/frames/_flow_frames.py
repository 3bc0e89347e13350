"""Optical flow of videos, as frames of two channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autodas.data.frames._clock import Clock
from autodas.data.frames._flow import BOUND, bytes_of_flow, flow_solver
from autodas.data.frames._sources import FrameSource
from autodas.data_options import Flow


class FlowFrames:
    """Flow from each frame of a video to the next.

    The last frame has no next one and repeats the flow before it; a single frame has the flow of no motion.
    Both are our choice.

    Args:
        frames: the videos.
        method: ``"tvl1"`` or ``"dis"``.

    Attributes:
        piece: number of frames computed at a time when storing whole videos.
    """

    channels = 2

    def __init__(self, frames: FrameSource, method: Flow = "tvl1") -> None:
        self._frames, self._method = frames, method
        # TV-L1 takes a third of a second per frame: progress and requests to stop need smaller pieces.
        self.piece = 32 if method == "tvl1" else 512
        self.paths = frames.paths

    def __len__(self) -> int:
        return len(self._frames)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a frame."""
        return self._frames.size(index)

    def count(self, index: int) -> int:
        """Return the number of frames."""
        return self._frames.count(index)

    def clock(self, index: int) -> Clock | None:
        """Return the clock of the video."""
        return self._frames.clock(index)

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Return flow, computed on frames of the given short side: uint8 (len(numbers), H, W, 2)."""
        solve = flow_solver(self._method)
        last = self.count(index) - 1
        firsts = [min(number, max(0, last - 1)) for number in numbers]
        needed = sorted({n for first in firsts for n in (first, min(first + 1, last))})
        frames = dict(zip(needed, self._frames.read(index, needed, side), strict=True))
        flow = {
            first: bytes_of_flow(solve(frames[first], frames[min(first + 1, last)]), BOUND * side)
            for first in sorted(set(firsts))
        }
        return np.stack([flow[first] for first in firsts])

    def describe(self, index: int) -> str:
        """Return the name of the video in messages."""
        return self._frames.describe(index)

    def fingerprint(self, index: int) -> str:
        """Return the fingerprint of the video."""
        return self._frames.fingerprint(index)
