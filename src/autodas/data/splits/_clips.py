"""Frames that form a clip of a video."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

from torch import Tensor

from autodas.data.augmentation._random import integers
from autodas.data.frames._clock import Clock
from autodas.data_options import Sampling, Starts
from autodas.errors import AutodasError

_CLIP = 9
_SPARSE = 1_000  # one stream of random numbers for each frame, from here on


@dataclass(frozen=True)
class Clips:
    """Sampling of clips from videos.

    A video with fewer frames than a clip spans is looped: its first frame follows its last.

    Args:
        frames: frames of a clip, at least 1.
        step: frames of the video from one frame of a clip to the next, at least 1.
        fps: frames per second of a clip, above 0: it consists of the video's frames nearest to these times,
            instead of every ``step``-th one.
        sampling: ``"dense"``, or ``"sparse"``: the video is cut into as many equal stretches as a clip has
            frames, and one frame is taken of each (temporal segment networks: Wang et al., 2016).
        starts: first frames of dense training clips: ``"random"``, or on the ``"grid"`` of clips that do not
            overlap.

    Raises:
        AutodasError: if a value is out of range, or two exclude each other.
    """

    frames: int = 16
    step: int = 1
    fps: float | None = None
    sampling: Sampling = "dense"
    starts: Starts = "random"

    def __post_init__(self) -> None:
        for name in ("frames", "step"):
            if getattr(self, name) < 1:
                raise AutodasError(f"a clip needs {name} of at least 1, found {getattr(self, name)}")
        for name, known in (("sampling", get_args(Sampling)), ("starts", get_args(Starts))):
            if getattr(self, name) not in known:
                raise AutodasError(f"unknown {name} of clips '{getattr(self, name)}'")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise AutodasError(f"a clip needs fps above 0, found {self.fps}")
        if self.fps is not None and (self.step != 1 or self.sampling == "sparse"):
            raise AutodasError("fps excludes steps and sparse sampling")

    def span(self, clock: Clock | None = None) -> int:
        """Return the number of frames of the video that its first dense clip spans, including both ends.

        Args:
            clock: clock of the video; only needed by clips with ``fps``.
        """
        return self._last(0, clock) + 1

    def training(self, count: int, key: Tensor, clock: Clock | None = None) -> list[int]:
        """Return the frames of one randomly drawn clip.

        Random clips begin anywhere between the first frame and the last position where they fit, with equal
        probability. For those on the grid the video is cut into clips from its first frame on; a remainder at
        its end, shorter than a clip, is not used (SDAS, section 5.2). Sparse clips take a random frame of
        each stretch.

        Args:
            count: frames of the video, at least 1.
            key: int64 scalar that determines the choice.
            clock: clock of the video; only needed by clips with ``fps``.
        """
        if self.sampling == "sparse":
            return [
                first + int(integers(key, _SPARSE + i, length))
                for i, (first, length) in enumerate(self._stretches(count))
            ]
        if self.starts == "grid":
            clips = range(1, count + 1)
            fit = bisect_right(clips, count, key=lambda clip: self._after(0, clip * self.frames, clock))
            start = self._after(0, int(integers(key, _CLIP, max(1, fit))) * self.frames, clock)
        else:
            start = int(integers(key, _CLIP, self._room(count, clock) + 1))
        return self._numbers(start, count, clock)

    def evaluation(self, count: int, number: int, of: int, clock: Clock | None = None) -> list[int]:
        """Return the frames of one of several evenly spread clips (SDAS, section 5.2: 20).

        The first clip begins with the first frame, the last one ends with the last frame: it begins at frame
        r, which is ``count - span`` or, if the rate of the video varies, the last frame from which a clip
        fits. Clip i of n begins at frame ``floor(i r / (n - 1))``; a single clip is the middle one, at
        ``floor(r / 2)``. Sparse clip i of n takes frame
        ``floor(length (2 i + 1) / (2 n))`` of each stretch, a single one the middle.

        Args:
            count: frames of the video, at least 1.
            number: index of the clip, from 0.
            of: number of clips.
            clock: clock of the video; only needed by clips with ``fps``.
        """
        if self.sampling == "sparse":
            place = 2 * number + 1
            return [first + length * place // (2 * of) for first, length in self._stretches(count)]
        room = self._room(count, clock)
        start = room // 2 if of == 1 else number * room // (of - 1)
        return self._numbers(start, count, clock)

    def within(self, first: int, length: int, count: int, clock: Clock | None = None) -> list[int]:
        """Return the frames of the clip in the middle of a part of a video.

        A dense clip may be longer than the part; it is shifted if it would extend beyond the video.

        Args:
            first: first frame of the part.
            length: frames of the part, at least 1; it ends within the video.
            count: frames of the video.
            clock: clock of the video; only needed by clips with ``fps``.
        """
        if self.sampling == "sparse":
            return [first + number for number in self.evaluation(length, 0, 1)]
        ends = 2 * first + length - 1
        start = bisect_right(range(count), ends, key=lambda start: start + self._last(start, clock)) - 1
        return self._numbers(min(max(0, start), self._room(count, clock)), count, clock)

    def _after(self, start: int, steps: int, clock: Clock | None) -> int:
        """Return the frame of the video that is ``steps`` frames of a dense clip after another."""
        if self.fps is None:
            return start + steps * self.step
        if clock is None:
            raise ValueError("clips with fps need the clock of the video")
        return clock.after(start, steps, self.fps)

    def _last(self, start: int, clock: Clock | None) -> int:
        """Return the last frame of the dense clip that begins at a frame."""
        return self._after(start, self.frames - 1, clock)

    def _room(self, count: int, clock: Clock | None) -> int:
        """Return the last frame from which a dense clip fits into a video, 0 if none does."""
        fit = bisect_right(range(count), count - 1, key=lambda start: self._last(start, clock))
        return max(0, fit - 1)

    def _numbers(self, start: int, count: int, clock: Clock | None) -> list[int]:
        return [self._after(start, i, clock) % count for i in range(self.frames)]

    def _stretches(self, count: int) -> list[tuple[int, int]]:
        """Return first frame and length of each stretch, at least 1: short videos repeat frames."""
        edges = [i * count // self.frames for i in range(self.frames + 1)]
        return [(first, max(1, end - first)) for first, end in pairwise(edges)]
