"""Recomputation: intermediate results of a cell are not kept but recomputed in the backward pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from autodas.supernet._statistics import norms_of


def computed_twice(module: nn.Module, compute: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """Return ``compute(*inputs)``, keeping only the inputs for the backward pass.

    The recomputation has no side effects: it draws the same random numbers, normalises as the first
    computation did, with running statistics frozen or not, and drops anything it writes to buffers.

    Args:
        module: module whose parameters and buffers are used.
        compute: function of tensors and of containers of tensors.
        inputs: its arguments.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _Repetition(module)

    output: Tensor = checkpoint(compute, *inputs, use_reentrant=False, context_fn=contexts)
    return output


class _Repetition(AbstractContextManager[None]):
    """Context of a recomputation, which may be entered many times: a backward pass may be repeated."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.tracking = [(vars(norm), norm.track_running_stats) for norm in norms_of(module)]

    def __enter__(self) -> None:
        _return_free_memory()
        # As at that time, rather than frozen: the recomputation must save the same tensors.
        self.flags = [state["track_running_stats"] for state, _ in self.tracking]
        for state, tracking in self.tracking:
            state["track_running_stats"] = tracking
        self.buffers = [(m._buffers, dict(m._buffers)) for m in self.module.modules() if m._buffers]
        for buffers, own in self.buffers:
            buffers.update({name: b if b is None else b.clone() for name, b in own.items()})

    def __exit__(self, *error: object) -> None:
        for buffers, own in self.buffers:
            buffers.update(own)
        for (state, _), flag in zip(self.tracking, self.flags, strict=True):
            state["track_running_stats"] = flag


def _return_free_memory() -> None:
    """Return free blocks to the system, if the C library supports it.

    Cells of different sizes leave gaps that the next one does not fit into: otherwise half of the saved
    memory would stay with the allocator.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
