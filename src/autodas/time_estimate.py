"""Time estimates from a few timed steps. No torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autodas.progress import duration

LESS, MORE = 0.75, 1.35
"""Relative bounds of an estimate even if all timed steps took equally long."""

STEPS = 3
ENOUGH = 1.0
TOO_LONG = 10.0
"""Least number of timed steps, least number of seconds, and seconds after which no further step is timed."""


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated time with its range.

    Args:
        seconds: most likely time in seconds.
        least: time at the speed of the fastest timed step, or less by a quarter.
        most: time at the speed of the slowest timed step, or more by a third.
    """

    seconds: float
    least: float
    most: float

    @classmethod
    def around(cls, seconds: float, timed: Sequence[float]) -> TimeEstimate:
        """Return an estimate whose range follows from the variation of timed steps.

        Args:
            seconds: most likely time in seconds.
            timed: times of repetitions of one step, in seconds.
        """
        mean = sum(timed) / len(timed)
        return cls(
            seconds,
            seconds * min(LESS, min(timed) / mean),
            seconds * max(MORE, max(timed) / mean),
        )

    def __str__(self) -> str:
        return f"about {duration(self.seconds)} ({duration(self.least)} to {duration(self.most)})"


def timed(step: Callable[[], Any], wait: Callable[[], Any] = lambda: None) -> float:
    """Call a function and return the time it took, in seconds.

    Args:
        step: function to time.
        wait: function that waits for completion, for asynchronous work.
    """
    start = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - start


def times_of(
    step: Callable[[], Any],
    wait: Callable[[], Any] = lambda: None,
    warm_up: int = 1,
    agree: Callable[[float], float] = lambda seconds: seconds,
) -> list[float]:
    """Call a function a few times, and return the time of each call in seconds.

    Args:
        step: function to time.
        wait: see :func:`timed`.
        warm_up: number of calls beforehand, which include one-time costs. If these take too long, the time of
            the last one is returned.
        agree: function that turns a time into that of all processes, if several take the steps together.
    """
    before = [agree(timed(step, wait)) for _ in range(warm_up)]
    times: list[float] = []
    while len(times) < STEPS or sum(times) < ENOUGH:
        if sum(before) + sum(times) > TOO_LONG:
            break
        times.append(agree(timed(step, wait)))
    return times or before[-1:]
