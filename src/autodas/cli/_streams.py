"""Standard streams that stay writable whatever is behind them: no terminal, a full disk, a closed stream."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from autodas.launched import process_number


class _Output(io.FileIO):
    """Standard output with its name in error messages."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from None


class _Unfailing(io.FileIO):
    """File that silently drops data that cannot be written."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Open closed streams, and make writing to standard error safe.

    Progress and warnings must not end a run: standard error never fails, even if its disk is full or its
    terminal has gone. Characters missing from an encoding are written as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The next file opened would get this number, and with it the output of libraries.
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


@contextmanager
def silent_unless_first() -> Iterator[None]:
    """Drop what the processes of a run print, except for the first one. Errors are reported outside."""
    if process_number() == 0:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Drop what compiled code prints on standard output, which belongs to the results of a command."""
    usual = os.dup(1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(usual, 1)
        os.close(usual)


def flush_output() -> None:
    """Flush standard output, or discard its buffer, so that Python does not fail at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
