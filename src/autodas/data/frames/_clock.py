"""Display times of a video's frames."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_SECOND = 1_000_000  # microseconds


class Clock(NamedTuple):
    """Display times of a video's frames: at a constant rate, or individual times.

    Args:
        rate: frames per second, the usual rate if it varies, above 0.
        times: int64 (F,), ascending, microseconds from the first frame to each of them if the rate varies;
            ``None`` if frame i is shown ``i / rate`` seconds after the first.
    """

    rate: float
    times: np.ndarray | None = None

    @classmethod
    def of(cls, seconds: np.ndarray, rates: list[float], rounding: float) -> Clock:
        """Return the clock of frames with the given times.

        The rate is constant if no frame deviates from its place by more than half a step, or than the
        rounding of the times.

        Args:
            seconds: float64 (F,), ascending, from the first frame to each of them.
            rates: candidates for the constant rate in frames per second, the most likely first.
            rounding: precision of the times, in seconds.
        """
        places = np.arange(len(seconds))
        for rate in rates:
            if np.abs(seconds - places / rate).max() <= max(0.5 / rate, rounding):
                return cls(rate)
        return cls(rates[0], np.rint(seconds * _SECOND).astype(np.int64))

    def seconds(self, number: int) -> float:
        """Return the time of a frame; that after the last is shown at the end of the video."""
        if self.times is None:
            return number / self.rate
        beyond = max(0, number - len(self.times) + 1)
        return float(self.times[number - beyond]) / _SECOND + beyond / self.rate

    def starts(self, count: int) -> np.ndarray:
        """Return the times of the first frames, float64 (count,), in seconds."""
        return np.arange(count) / self.rate if self.times is None else self.times[:count] / _SECOND

    def after(self, first: int, steps: int, fps: float) -> int:
        """Return the frame that is nearest to ``steps / fps`` seconds after another.

        No frame is taken more than half a usual step before it is shown: a frame that is shown for a while
        counts until the end of that while. A video is repeated, with its frames numbered continuously.
        """
        if self.times is None:
            return first + math.floor(steps * self.rate / fps + 0.5)
        count = len(self.times)
        rounds, seconds = divmod(self.seconds(first) + steps / fps, self.seconds(count))
        shown = int(np.searchsorted(self.times, seconds * _SECOND, side="right")) - 1
        step = self.seconds(shown + 1) - self.seconds(shown)
        soon = self.seconds(shown + 1) - seconds <= min(step, 1 / self.rate) / 2
        return int(rounds) * count + shown + soon
