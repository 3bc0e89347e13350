"""Stopping at the end of an iteration instead of in the middle of one."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class StopRequest:
    """While it is entered, Ctrl-C and a termination signal are noted instead of acted upon.

    A second signal acts as usual. Outside the main thread signals cannot be caught, and nothing is noted.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:
                break
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(number, self._previous[number])

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
