"""Optical flow of videos, as frames of two channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autodas.data._flow import flow_of_frames
from autodas.data._frames import FrameSource


class FlowFrames:
    """The flow from each frame of a video to the next; all of a video is computed at once.

    Args:
        frames: the videos.
    """

    channels = 2

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames
        self.paths = frames.paths

    def __len__(self) -> int:
        return len(self._frames)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a frame."""
        return self._frames.size(index)

    def count(self, index: int) -> int:
        """Return the number of frames; the last one's flow is that of the one before."""
        return self._frames.count(index)

    def rate(self, index: int) -> float | None:
        """Return the frames a second of the video."""
        return self._frames.rate(index)

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Return flow, computed on frames of the given short side: uint8 (len(numbers), H, W, 2)."""
        frames = self._frames.read(index, range(self.count(index)), side)
        flow: np.ndarray = flow_of_frames(frames)[list(numbers)]
        return flow

    def describe(self, index: int) -> str:
        """Return what a message calls the video."""
        return self._frames.describe(index)

    def fingerprint(self, index: int) -> str:
        """Return that of the video."""
        return self._frames.fingerprint(index)
