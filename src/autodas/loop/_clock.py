"""Time spent in an epoch, including the time before the run was stopped within it."""

from __future__ import annotations

import time


class Clock:
    """Clock of wall time and of the CPU time of all threads, in seconds."""

    def __init__(self) -> None:
        self.start()

    def start(self, spent: tuple[float, float] = (0.0, 0.0)) -> None:
        """Start measuring.

        Args:
            spent: seconds and CPU seconds spent in the epoch before the run was stopped.
        """
        self._wall = time.monotonic() - spent[0]
        self._cpu = time.process_time() - spent[1]

    @property
    def spent(self) -> tuple[float, float]:
        """Seconds, and CPU seconds of all threads, spent in the epoch."""
        return time.monotonic() - self._wall, time.process_time() - self._cpu
