"""Numbers of the host as tensors on a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor

Kept = TypeVar("Kept")

_holding: ContextVar[list[Any] | None] = ContextVar("holding", default=None)


def constant(numbers: Any, device: torch.device | str, dtype: torch.dtype = torch.int64) -> Tensor:
    """Return a tensor of numbers, which must not be changed.

    It is cached: copying numbers from the host would make it wait for the device, and is impossible while an
    iteration is recorded.

    Args:
        numbers: nested tuples of numbers.
        device: device of the tensor.
        dtype: type of the tensor; by default that of indices.
    """
    return held(_constant(numbers, str(device), dtype))


def sent(values: Tensor, device: torch.device | str) -> Tensor:
    """Return numbers of the host on a device, without waiting for what it computes."""
    if torch.device(device).type != "cuda":
        return values.to(device)
    # Only copies from pinned memory do not wait; the allocator keeps it until the copy is done.
    return values.pin_memory().to(device, non_blocking=True)


MOST = 2**16
"""Number of tensors that are kept: more than an iteration needs, which has about twenty for each state."""


@lru_cache(maxsize=MOST)
def _constant(numbers: Any, device: str, dtype: torch.dtype) -> Tensor:
    return torch.tensor(numbers, dtype=dtype, device=device)


def held(value: Kept) -> Kept:
    """Return a value that a cache may drop later; it is kept as long as a recording that uses it."""
    holding = _holding.get()
    if holding is not None:
        holding.append(value)
    return value


@contextmanager
def holding() -> Iterator[list[Any]]:
    """Collect all values passed to :func:`held` in this context: a recording reads their memory later."""
    values: list[Any] = []
    before = _holding.set(values)
    try:
        yield values
    finally:
        _holding.reset(before)
