"""Running statistics of batch normalisation: who may update them, and how they are estimated anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def norms_of(module: nn.Module) -> list[_BatchNorm]:
    """Return all batch normalisation layers of a module."""
    return [m for m in module.modules() if isinstance(m, _BatchNorm)]


@contextmanager
def frozen_statistics(where: nn.Module | Iterable[_BatchNorm]) -> Iterator[None]:
    """Let forward passes in training mode use batch statistics without touching the running ones.

    The architecture step and every virtual forward pass run inside: running statistics belong to the
    weights and follow training batches only.

    Args:
        where: what holds the layers; or the layers, where they are at hand (:func:`norms_of`).
    """
    norms = norms_of(where) if isinstance(where, nn.Module) else where
    # A supernet has a thousand of them: the dictionary is ten times faster than the module's attribute.
    states = [vars(norm) for norm in norms if norm.track_running_stats]
    for state in states:
        state["track_running_stats"] = False
    try:
        yield
    finally:
        for state in states:
            state["track_running_stats"] = True


def repeatable(module: nn.Module) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Return contexts for a forward pass from here, and for repetitions of it that leave no trace.

    A repetition normalises as the pass did, with running statistics frozen or not; what it writes to
    buffers is dropped.
    """
    return nullcontext(), _Repetition(module)


class _Repetition(AbstractContextManager[None]):
    """May be entered many times: a backward pass may itself be repeated."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.tracking = [(norm, norm.track_running_stats) for norm in norms_of(module)]

    def __enter__(self) -> None:
        # Flags are kept as they were then, not frozen: a repetition has to save the same tensors.
        self.flags = [norm.track_running_stats for norm, _ in self.tracking]
        for norm, tracking in self.tracking:
            norm.track_running_stats = tracking
        self.buffers = [(m, dict(m._buffers)) for m in self.module.modules() if m._buffers]
        for owner, buffers in self.buffers:
            owner._buffers.update({n: b if b is None else b.clone() for n, b in buffers.items()})

    def __exit__(self, *error: object) -> None:
        for owner, buffers in self.buffers:
            owner._buffers.update(buffers)
        for (norm, _), flag in zip(self.tracking, self.flags, strict=True):
            norm.track_running_stats = flag


@torch.no_grad()
def reestimate_statistics(
    module: nn.Module, forward: Callable[[Tensor], Any], batches: Iterable[Tensor]
) -> None:
    """Replace all running statistics by their mean over batches.

    Args:
        module: what holds the normalisation layers; it is left in evaluation mode.
        forward: runs it on one batch of pictures.
        batches: pictures, without augmentation; batches of fewer than two are skipped.
    """
    norms = norms_of(module)
    momenta = [norm.momentum for norm in norms]
    module.train()
    count = 0
    try:
        for images in batches:
            if len(images) < 2:
                continue
            count += 1
            for norm in norms:
                if count == 1:
                    # Averaging would carry over what is not a number.
                    assert norm.running_mean is not None
                    assert norm.running_var is not None
                    norm.running_mean.zero_()
                    norm.running_var.fill_(1.0)
                norm.momentum = 1.0 / count
            forward(images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.eval()
