"""What a person sees while a run goes on."""

from __future__ import annotations

import sys
import time
from typing import Any

from autodas.terminal import message, raw_stream


class Progress:
    """Lines on standard error, and below them, on a terminal, a bar.

    Args:
        total: number of iterations.
        done: how many of them are finished.
        quiet: whether to show nothing at all.
    """

    def __init__(self, total: int, done: int = 0, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._last = 0.0
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}", markup=False),
                console=Console(file=raw_stream(sys.stderr)),
            )
            self._task = self._bar.add_task("", total=total, completed=done)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def due(self) -> bool:
        """Whether the bar should be drawn anew now; what it shows may cost a look at the device."""
        return self._bar is not None and time.monotonic() - self._last > 0.25

    def update(self, done: int, text: str) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._last = time.monotonic()
            self._bar.update(self._task, completed=done, description=text)

    def line(self, text: str) -> None:
        """Print a line that stays."""
        text = message(text)
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False, emoji=False)
        elif not self.quiet:
            print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return a time span for people: ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
