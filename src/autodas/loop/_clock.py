"""How long an epoch has taken so far, also where the run was stopped within it."""

from __future__ import annotations

import time


class Clock:
    """Seconds, and CPU seconds of all threads, since it was started."""

    def __init__(self) -> None:
        self.start()

    def start(self, spent: tuple[float, float] = (0.0, 0.0)) -> None:
        """Begin to measure.

        Args:
            spent: seconds and CPU seconds that went into the epoch before the run was stopped.
        """
        self._wall = time.monotonic() - spent[0]
        self._cpu = time.process_time() - spent[1]

    @property
    def spent(self) -> tuple[float, float]:
        """Seconds, and CPU seconds of all threads, that have gone into the epoch."""
        return time.monotonic() - self._wall, time.process_time() - self._cpu
