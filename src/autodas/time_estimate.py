"""How long something will take, from a few timed steps. No torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autodas.progress import duration

LESS, MORE = 0.75, 1.35
"""What may become of an estimate even where all timed steps took the same."""

STEPS = 3
ENOUGH = 1.0
TOO_LONG = 10.0
"""So many steps are timed and so many seconds at least, and no further one after so many."""


@dataclass(frozen=True)
class TimeEstimate:
    """How long something will take.

    Args:
        seconds: most likely.
        least: where the machine is as fast as in the fastest of the timed steps, or faster by a quarter.
        most: where it is as slow as in the slowest, or slower by a third.
    """

    seconds: float
    least: float
    most: float

    @classmethod
    def around(cls, seconds: float, timed: Sequence[float]) -> TimeEstimate:
        """Return an estimate whose range follows from how much timed steps differ.

        Args:
            seconds: most likely.
            timed: seconds of the same step, done several times.
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
    """Do something and return the seconds that it took.

    Args:
        step: what is done.
        wait: waits until it is really done, where that goes on beside the program.
    """
    start = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - start


def times_of(
    step: Callable[[], Any], wait: Callable[[], Any] = lambda: None, warm_up: int = 1
) -> list[float]:
    """Do something a few times, and return the seconds that each of them took.

    Args:
        step: what is done.
        wait: see :func:`timed`.
        warm_up: how many of them come before, which pay for what is made once. Where these take too long
            they are all there is.
    """
    before = [timed(step, wait) for _ in range(warm_up)]
    found: list[float] = []
    while len(found) < STEPS or sum(found) < ENOUGH:
        if sum(before) + sum(found) > TOO_LONG:
            break
        found.append(timed(step, wait))
    return found or before[-1:]
