"""Standard streams that can be written to, whatever stands behind them: no terminal, a full disk, nothing."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


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
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    encoding = getattr(sys.stderr, "encoding", None)
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Unfailing(2, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def flush_output() -> OSError | None:
    """Write what waits in standard output; return why it cannot be, which is then forgotten.

    Python must not try it again at its exit.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None
