"""Recomputation: intermediate results of a cell are not kept but recomputed in the backward pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from autodas.supernet._statistics import norms_of

_STATISTICS = {"running_mean", "running_var"}


def computed_twice(
    module: nn.Module, compute: Callable[..., Tensor], *inputs: Any, random: bool = True
) -> Tensor:
    """Return ``compute(*inputs)``, keeping only the inputs for the backward pass.

    The recomputation has no side effects: it draws the same random numbers, normalises as the first
    computation did, with running statistics frozen or not, and drops anything it writes to buffers.

    Args:
        module: module whose parameters and buffers are used.
        compute: function of tensors and of containers of tensors.
        inputs: its arguments.
        random: whether it may draw random numbers. The state of the generators, which is read for that,
            cannot be read while an iteration is recorded by versions of torch before 2.10.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _Repetition(module)

    output: Tensor = checkpoint(
        compute, *inputs, use_reentrant=False, context_fn=contexts, preserve_rng_state=random
    )
    return output


class _Repetition(AbstractContextManager[None]):
    """Context of a recomputation, which may be entered many times: a backward pass may be repeated."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.tracking = [(vars(norm), norm.track_running_stats) for norm in norms_of(module)]

    def __enter__(self) -> None:
        if any(weight.device.type == "cpu" for weight in self.module.parameters()):
            _return_free_memory()
        self.kept = [(state, state["track_running_stats"], state["momentum"]) for state, _ in self.tracking]
        for state, tracking in self.tracking:
            # As at that time, rather than frozen: the recomputation must save the same tensors.
            state["track_running_stats"] = tracking
            # Running statistics stay as they are, without a copy of a thousand of them.
            state["momentum"] = 0.0
        self.buffers = [(m._buffers, _buffers(m)) for m in self.module.modules() if m._buffers]
        for buffers, own in self.buffers:
            buffers.update({name: buffer.clone() for name, buffer in own.items()})

    def __exit__(self, *error: object) -> None:
        for buffers, own in self.buffers:
            buffers.update(own)
        for state, tracking, momentum in self.kept:
            state["track_running_stats"], state["momentum"] = tracking, momentum


def _buffers(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's buffers, except for running statistics."""
    kept = _STATISTICS if isinstance(module, _BatchNorm) else set()
    return {name: b for name, b in module._buffers.items() if b is not None and name not in kept}


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
