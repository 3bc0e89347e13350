"""Child processes that end with their parent, however it ends. No torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

_PARENT = "AUTODAS_PARENT"
_PR_SET_PDEATHSIG = 1


def start_child(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a program that calls :func:`end_with_parent` first.

    The calling thread must live as long as the child: Linux treats the end of that thread as the end of the
    parent.

    Args:
        command: program with its arguments.
        environment: environment variables to set, in addition to those of this process.
        options: options of :class:`subprocess.Popen`.

    Returns:
        Process, which also ends when this object is garbage collected.
    """
    variables = {**os.environ, **(environment or {})}
    if os.name != "posix":
        return subprocess.Popen(command, env=variables, **options)
    # Nothing is written to the pipe. It is closed when the only holder of its other end, this process, ends.
    line, held = os.pipe()
    variables[_PARENT] = f"{os.getpid()}:{line}"
    try:
        process = subprocess.Popen(command, env=variables, pass_fds=(line,), **options)
    except BaseException:
        os.close(held)
        raise
    finally:
        os.close(line)
    weakref.finalize(process, os.close, held)
    return process


def signal_name(code: int) -> str:
    """Return the name of the signal that ended a process with a negative exit code."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def end_with_parent() -> None:
    """End this process as soon as its parent ends, if it was started by :func:`start_child`."""
    given = os.environ.pop(_PARENT, None)
    if given is None:
        return
    parent, line = map(int, given.split(":"))
    if sys.platform == "linux":
        import ctypes

        # The kernel does this immediately, even for a stopped process.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_end_with, args=(line,), name="end with parent", daemon=True).start()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _end_with(line: int) -> None:
    try:
        os.read(line, 1)
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
