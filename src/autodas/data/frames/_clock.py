"""When the frames of a video are shown."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_SECOND = 1_000_000  # microseconds


class Clock(NamedTuple):
    """When the frames of a video are shown: at a constant rate, or each at a time of its own.

    Args:
        rate: frames a second, the usual ones where they vary, above 0.
        times: int64 (F,), ascending, microseconds from the first frame to each of them where the rate varies;
            ``None`` where frame i is shown ``i / rate`` seconds after the first.
    """

    rate: float
    times: np.ndarray | None = None

    @classmethod
    def of(cls, seconds: np.ndarray, rates: list[float], rounding: float) -> Clock:
        """Return the clock of frames that are shown at these times.

        The rate is constant if no frame is further from its place than half a step, or than times are
        rounded.

        Args:
            seconds: float64 (F,), ascending, from the first frame to each of them.
            rates: frames a second that may be the constant ones, the likeliest first.
            rounding: of the times, in seconds.
        """
        places = np.arange(len(seconds))
        for rate in rates:
            if np.abs(seconds - places / rate).max() <= max(0.5 / rate, rounding):
                return cls(rate)
        return cls(rates[0], np.rint(seconds * _SECOND).astype(np.int64))

    def seconds(self, number: int) -> float:
        """Return when a frame is shown; the one after the last is shown at the end of the video."""
        if self.times is None:
            return number / self.rate
        beyond = max(0, number - len(self.times) + 1)
        return float(self.times[number - beyond]) / _SECOND + beyond / self.rate

    def starts(self, count: int) -> np.ndarray:
        """Return when each of the first frames is shown, float64 (count,), in seconds."""
        return np.arange(count) / self.rate if self.times is None else self.times[:count] / _SECOND

    def after(self, first: int, steps: int, fps: float) -> int:
        """Return the frame that is nearest to ``steps / fps`` seconds after another.

        None is taken more than half a usual step before it is shown: a picture that stands for a while
        stands to the end of that while. A video is followed by itself, with frames counted on.
        """
        if self.times is None:
            return first + math.floor(steps * self.rate / fps + 0.5)
        count = len(self.times)
        rounds, seconds = divmod(self.seconds(first) + steps / fps, self.seconds(count))
        shown = int(np.searchsorted(self.times, seconds * _SECOND, side="right")) - 1
        step = self.seconds(shown + 1) - self.seconds(shown)
        soon = self.seconds(shown + 1) - seconds <= min(step, 1 / self.rate) / 2
        return int(rounds) * count + shown + soon
