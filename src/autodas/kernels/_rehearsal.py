"""The compiled kernels for tensors without data: only the allocations are made, nothing is computed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import cast

import torch

_rehearsing: ContextVar[bool] = ContextVar("rehearsing", default=False)
_precision: ContextVar[torch.dtype | None] = ContextVar("precision", default=None)
_on_gpu: ContextVar[ModuleType | None] = ContextVar("on_gpu", default=None)


class _RehearsedLibrary:
    """Library with a function of every name, which does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return _nothing


def _nothing(*arguments: object) -> None:
    pass


@contextmanager
def rehearse_kernels(
    compiled: bool, maps: torch.dtype | None = None, gpu: ModuleType | None = None
) -> Iterator[None]:
    """Let tensors on ``meta`` follow the code path of the compiled kernels, or of the plain forms.

    Args:
        compiled: whether to follow that of the compiled kernels.
        maps: precision of the maps of fused functions; ``None`` for that of the parameters.
        gpu: the kernels for GPUs, whose path is followed, with launches that do nothing; ``None`` for the
            plain forms.
    """
    before = _rehearsing.set(compiled), _precision.set(maps), _on_gpu.set(gpu)
    try:
        yield
    finally:
        _rehearsing.reset(before[0])
        _precision.reset(before[1])
        _on_gpu.reset(before[2])


def rehearsed_gpu() -> ModuleType | None:
    """Return the kernels for GPUs that tensors on ``meta`` follow; ``None`` if there are none."""
    return _on_gpu.get()


def rehearsed_precision() -> torch.dtype | None:
    """Return the precision of maps on ``meta``; ``None`` for that of the parameters."""
    return _precision.get()


def rehearsed_library() -> ctypes.CDLL | None:
    """Return the stand-in for the compiled library on ``meta``; ``None`` if plain forms are rehearsed."""
    return cast("ctypes.CDLL", _RehearsedLibrary()) if _rehearsing.get() else None
