"""Doing something with very many files: in threads, with a word of how far it is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import numpy as np

from autodas.terminal import is_terminal

T = TypeVar("T")
_PATIENCE = 3.0
_BETWEEN_LINES = 10.0


def read_all(read: Callable[[int], T], count: int, what: str, *, threads: bool) -> list[T]:
    """Return ``read(0)`` to ``read(count - 1)``; of what takes seconds the time left is told.

    Args:
        read: what is done with each number.
        count: how many there are.
        what: what is done, for people, on standard error, such as ``"reading images"``.
        threads: whether ``read`` may run in several threads, and is worth handing over.
    """
    from autodas.progress import Progress, duration

    found: list[T] = []
    start = time.monotonic()
    told = start + _PATIENCE - _BETWEEN_LINES
    progress: Progress | None = None
    with ExitStack() as open_things:
        if threads:
            pool = open_things.enter_context(ThreadPoolExecutor(min(8, os.cpu_count() or 1)))
            # Left early, by an error or Ctrl-C, it must not read the rest first.
            open_things.callback(pool.shutdown, wait=True, cancel_futures=True)
            results = iter(pool.map(read, range(count)))
        else:
            results = map(read, range(count))
        for done, result in enumerate(results, 1):
            found.append(result)
            now = time.monotonic()
            if now - start < _PATIENCE or done == count:
                continue
            left = duration((now - start) / done * (count - done))
            if progress is None:
                progress = open_things.enter_context(Progress(count, done))
            if progress.due:
                progress.update(done, f"{what}, {left} to go")
            elif not is_terminal(sys.stderr) and now - told >= _BETWEEN_LINES:
                progress.line(f"{what}: {done:,} of {count:,}, {left} to go")
                told = now
    return found


def evenly_spaced(count: int, most: int) -> list[int]:
    """Return at most ``most`` of the numbers from 0 to ``count - 1``, evenly spaced."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
    return places
