"""Activation checkpointing: what a cell computes is not kept but computed again in the backward pass."""

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
    """Return ``compute(*inputs)``, of which only the inputs are kept for the backward pass.

    The second computation leaves no trace: it draws the same random numbers, normalises as the first did,
    with running statistics frozen or not, and what it writes to buffers is dropped.

    Args:
        module: whose parameters and buffers are used.
        compute: a function of tensors and of what holds them.
        inputs: what it is given.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _Repetition(module)

    output: Tensor = checkpoint(compute, *inputs, use_reentrant=False, context_fn=contexts)
    return output


class _Repetition(AbstractContextManager[None]):
    """May be entered many times: a backward pass may itself be repeated."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.tracking = [(vars(norm), norm.track_running_stats) for norm in norms_of(module)]

    def __enter__(self) -> None:
        _return_free_memory()
        # As it was then, rather than frozen: the repetition has to save the same tensors.
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
    """Give free blocks back to the system, where the C library can.

    Cells of different sizes leave holes that the next one does not fit into: without this, half of the
    memory that is saved would stay with the allocator.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
