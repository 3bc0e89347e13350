"""Time spent in an epoch, including the time before the run was stopped within it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from autodas.progress import duration

_MUCH = 0.2  # share of an epoch from which on waiting is worth telling


class Clock:
    """Clock of wall time, of the CPU time of all threads, and of waiting for batches, in seconds."""

    def __init__(self) -> None:
        self.start()

    def start(self, spent: Sequence[float] = ()) -> None:
        """Start measuring.

        Args:
            spent: what ``spent`` was when the run was stopped within the epoch.
        """
        wall, cpu, waited = (*spent, *(0.0, 0.0, 0.0)[len(spent) :])
        self._wall = time.monotonic() - wall
        self._cpu = time.process_time() - cpu
        self._waited = waited

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of this block as waiting."""
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start

    @property
    def spent(self) -> tuple[float, float, float]:
        """Seconds, CPU seconds of all threads, and seconds of waiting for batches, spent in the epoch."""
        return time.monotonic() - self._wall, time.process_time() - self._cpu, self._waited


def time_of_epoch(seconds: float, waited: float, samples: float = 0.0, processes: int = 1) -> str:
    """Return the duration of an epoch in words, with the waiting for data if that is much of it.

    Args:
        seconds: duration of the epoch.
        waited: seconds of it spent waiting for data.
        samples: number of samples in the epoch, of all processes.
        processes: number of processes; several have their speed told.
    """
    text = duration(seconds)
    if waited >= max(1.0, _MUCH * seconds):
        text += f" ({duration(waited)} of it waiting for data)"
    if processes > 1:
        text += f", {samples / max(seconds, 1e-9):,.0f} samples a second by {processes} processes"
    return text
