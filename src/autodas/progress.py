"""Progress display of long operations. No torch, so that every package can use it."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from autodas.terminal import is_terminal, message, raw_stream

PATIENCE = 5.0
"""Seconds before a count is displayed; faster operations print nothing."""

LINES_APART = 15.0
"""Seconds between consecutive progress lines."""


class Progress:
    """Progress lines on standard error, with a bar below them on a terminal.

    There are two ways to use it. A loop with its own texts calls :meth:`update` whenever it is :attr:`due`,
    and :meth:`line`. A loop that only counts gives ``what`` and calls :meth:`advance`, from any thread;
    without a terminal this prints occasional lines, ``reading images: 1,200 of 5,000, 12 s left``::

        with Progress(len(paths), what="reading images") as progress:
            for path in paths:
                read(path)
                progress.advance()

    Args:
        total: number of steps.
        done: number of finished steps.
        quiet: whether to show nothing.
        what: description of the operation, for :meth:`advance`; the bar then appears only if it takes long,
            and disappears at the end.
    """

    def __init__(self, total: int, done: int = 0, quiet: bool = False, what: str = "") -> None:
        self.total, self.done, self.quiet, self.what = total, done, quiet, what
        self._bar: Any = None
        self._lock = threading.Lock()
        self._begin, self._first, self._last = time.monotonic(), done, 0.0
        self._next_line = self._begin + PATIENCE

    def __enter__(self) -> Progress:
        if not self.what:
            self._start_bar()
        return self

    def _start_bar(self) -> None:
        if self.quiet or not is_terminal(sys.stderr):
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(file=raw_stream(sys.stderr)),
            transient=bool(self.what),
        )
        self._task = self._bar.add_task(self.what, total=self.total, completed=self.done)
        self._bar.start()

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def due(self) -> bool:
        """Whether the bar should be redrawn; computing its text may require a device synchronisation."""
        return self._bar is not None and time.monotonic() - self._last > 0.25

    def update(self, done: int, text: str) -> None:
        """Update the position and the text of the bar."""
        if self._bar is not None:
            self._last = time.monotonic()
            self._bar.update(self._task, completed=done, description=text)

    def advance(self, count: int = 1) -> None:
        """Count finished steps, and display the progress when it is due."""
        with self._lock:
            self.done += count
            if self.due:
                self.update(self.done, f"{self.what}, {self.left} left")
            elif self._bar is None and time.monotonic() >= self._next_line and self.done < self.total:
                self._next_line = time.monotonic() + LINES_APART
                self._start_bar()
                if self._bar is None:
                    self.line(f"{self.what}: {self.done:,} of {self.total:,}, {self.left} left")

    @property
    def left(self) -> str:
        """Estimated time of the remaining steps, in words."""
        pace = (time.monotonic() - self._begin) / max(1, self.done - self._first)
        return duration(pace * max(0, self.total - self.done))

    def line(self, text: str) -> None:
        """Print a permanent line."""
        text = message(text)
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False, emoji=False)
        elif not self.quiet:
            print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return a duration in words: ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
