"""Processing of many files in threads, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import numpy as np

from autodas.progress import Progress

T = TypeVar("T")


def read_all(read: Callable[[int], T], count: int, what: str, *, threads: bool) -> list[T]:
    """Return ``read(0)`` to ``read(count - 1)``, with a progress bar if that takes seconds.

    Args:
        read: function to call with each number.
        count: number of calls.
        what: description of the work on standard error, such as ``"reading images"``.
        threads: whether ``read`` may run in several threads, and benefits from it.
    """
    values: list[T] = []
    with Progress(count, what=what) as progress, ExitStack() as open_things:
        if threads:
            pool = open_things.enter_context(ThreadPoolExecutor(min(8, os.cpu_count() or 1)))
            # When left early, by an error or Ctrl-C, it must not read the rest first.
            open_things.callback(pool.shutdown, wait=True, cancel_futures=True)
            results = iter(pool.map(read, range(count)))
        else:
            results = map(read, range(count))
        for result in results:
            values.append(result)
            progress.advance()
    return values


def evenly_spaced(count: int, most: int) -> list[int]:
    """Return at most ``most`` of the numbers from 0 to ``count - 1``, evenly spaced."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
    return places
