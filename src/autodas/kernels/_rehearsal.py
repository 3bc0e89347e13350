"""The compiled kernels where tensors have no data: nothing is computed, what is allocated for them is."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

_rehearsing: ContextVar[bool] = ContextVar("rehearsing", default=False)


class _RehearsedLibrary:
    """Has a function of every name, which does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return _nothing


def _nothing(*arguments: object) -> None:
    pass


@contextmanager
def rehearse_kernels(compiled: bool) -> Iterator[None]:
    """Let tensors on ``meta`` take the way of the compiled kernels, or of the plain forms.

    Args:
        compiled: which of both.
    """
    before = _rehearsing.set(compiled)
    try:
        yield
    finally:
        _rehearsing.reset(before)


def rehearsed_library() -> ctypes.CDLL | None:
    """Return what stands for the compiled library on ``meta``; ``None`` where plain forms are rehearsed."""
    return cast("ctypes.CDLL", _RehearsedLibrary()) if _rehearsing.get() else None
