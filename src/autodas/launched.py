"""What the launcher of a run's processes, such as ``torchrun``, tells each of them. No torch."""

from __future__ import annotations

import os
import time
from pathlib import Path

from autodas.errors import AutodasError

_ADDRESS = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def process_count() -> int:
    """Return the number of processes that compute this run together; 1 without a launcher.

    Raises:
        AutodasError: if an environment variable of the launcher is not a number in its range.
    """
    return _number("WORLD_SIZE", 1) if all(os.environ.get(name) for name in _ADDRESS) else 1


def process_number() -> int:
    """Return the number of this process among them, from 0."""
    return _number("RANK", 0) if process_count() > 1 else 0


def processes_here() -> int:
    """Return how many of them run on this machine."""
    return _number("LOCAL_WORLD_SIZE", 1, process_count()) if process_count() > 1 else 1


def number_here() -> int:
    """Return the number of this process among those of this machine, from 0."""
    return _number("LOCAL_RANK", 0, process_number()) if process_count() > 1 else 0


def restarts() -> int:
    """Return how many times the launcher has started the processes again, after one of them had died."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0, 0)


def start_time() -> float:
    """Return when the run was started, in seconds: when its launcher was, if it can start processes again."""
    now = time.time()
    if "TORCHELASTIC_RUN_ID" in os.environ:
        try:
            ticks = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[19])
            lines = Path("/proc/stat").read_text().splitlines()
            boot = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
            now = boot + ticks / os.sysconf("SC_CLK_TCK")
        except (OSError, LookupError, StopIteration):  # no /proc
            pass
    return now


def _number(name: str, least: int, otherwise: int | None = None) -> int:
    text = os.environ.get(name)
    if text is None and otherwise is not None:
        return otherwise
    if text is None or not text.isdecimal() or int(text) < least:
        raise AutodasError(f"environment variable {name}={text}: a number from {least} is expected")
    return int(text)
