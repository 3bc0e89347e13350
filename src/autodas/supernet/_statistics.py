"""Running statistics of batch normalisation: freezing them, and estimating them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from autodas.supernet._modules import every_module


def norms_of(module: nn.Module) -> list[_BatchNorm]:
    """Return all batch normalisation layers of a module."""
    return [m for m in every_module(module) if isinstance(m, _BatchNorm)]


@contextmanager
def frozen_statistics(where: nn.Module | Iterable[_BatchNorm]) -> Iterator[None]:
    """Use batch statistics in training mode without updating the running ones.

    The architecture step and every virtual forward pass run within this context: running statistics belong to
    the weights and are only updated by training batches.

    Args:
        where: a module, or its normalisation layers if these are available (:func:`norms_of`).
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


@torch.no_grad()
def reestimate_statistics(
    module: nn.Module, forward: Callable[[Tensor], Any], batches: Iterable[Tensor]
) -> None:
    """Replace all running statistics by their means over batches.

    Args:
        module: module with normalisation layers; it is left in evaluation mode.
        forward: function that runs it on one batch.
        batches: images or clips, without augmentation; batches of fewer than two samples are skipped.
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
                    # Averaging would carry over values that are not finite.
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
