"""Graceful stops: at the end of an iteration, or while waiting."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(Exception):  # noqa: N818
    """End of a wait because of a stop request."""


_ALWAYS = (signal.SIGINT, signal.SIGTERM)
_SIGNALS = (*_ALWAYS, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_entered: list[StopRequest] = []
_terminated = threading.Event()


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Handle a termination signal like Ctrl-C, so that open resources are closed.

    Libraries that are being imported may swallow the exception; a later :class:`StopRequest` knows of it.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        _terminated.set()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _terminated.clear()
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _terminated.clear()


class StopRequest:
    """Context manager that only records Ctrl-C, termination signals and the loss of the terminal.

    A second signal acts as usual. Outside the main thread signals cannot be caught, and nothing is recorded.

    Args:
        alone: whether this is the only process of the run. Others wait for one of several, so that a request
            does not end its long waits; and their launcher passes Ctrl-C on as a termination signal, which
            does not count as a second one.
    """

    def __init__(self, alone: bool = True) -> None:
        self.requested = False
        self.alone = alone
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        self.requested = _terminated.is_set()
        for number in _SIGNALS:
            if number not in _ALWAYS and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: the run must outlive its terminal
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:
                break
        _entered.append(self)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for each, handler in self._previous.items():
            if self.alone or each == number:
                signal.signal(each, handler)

    def __exit__(self, *exception: object) -> None:
        _entered.remove(self)
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def stop_requested() -> bool:
    """Return whether long waits are to stop. They check this and raise :class:`Stopped`."""
    return any(request.requested and request.alone for request in _entered)
