"""Standard streams that can be written to, whatever stands behind them: no terminal, a full disk, nothing."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class _Output(io.FileIO):
    """A file whose errors say what it is."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from None


class _Unfailing(io.FileIO):
    """A file that takes what cannot be written for written."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Open streams that are closed, and let none fail over what it has to take.

    Progress and warnings are no reason for a run to end: standard error takes all, even when its disk is
    full or its terminal has gone. Characters that an encoding lacks are written as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The next file that is opened would take the number, and with it what libraries write there.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout, os.isatty(1))
    sys.stderr = _text(_Unfailing(2, "w", closefd=False), sys.stderr, True)


def _text(raw: io.FileIO, before: Any, by_lines: bool) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None),
        errors="backslashreplace",
        line_buffering=by_lines,
    )


def flush_output() -> None:
    """Write what waits in standard output, or forget it: Python must not fail over it at its exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
