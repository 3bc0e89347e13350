"""Number of CPU threads of a run: as many as have work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Threads = int | Literal["auto"] | None
"""Number of threads; ``"auto"`` for as many as have work, ``None`` for those that torch has."""

FOR_A_THREAD = 4 * 10**8
"""Multiply-adds of a forward pass of a batch that keep a CPU thread busy.

A second thread makes an iteration with 2.5 x 10^8 faster by a factor of 1.2, with 10^9 by 1.1 to 1.65; and
where another program has one of the cores, slower by 3 to 6, since threads wait for each other hundreds of
times."""


def limit_threads(work: Callable[[], int]) -> None:
    """Take no more threads than have work, and no more than torch has.

    Args:
        work: function that returns the multiply-adds of the forward pass of a batch.
    """
    if (threads := torch.get_num_threads()) > 1:
        torch.set_num_threads(min(threads, max(1, work() // FOR_A_THREAD)))


@contextmanager
def threads_for(threads: Threads, work: Callable[[], int]) -> Iterator[None]:
    """Compute with a number of threads inside; behind it torch has the number that it had before.

    Args:
        threads: number of threads.
        work: as of :func:`limit_threads`, for ``"auto"``.
    """
    before = torch.get_num_threads()
    try:
        if threads == "auto":
            limit_threads(work)
        elif threads is not None:
            torch.set_num_threads(threads)
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
