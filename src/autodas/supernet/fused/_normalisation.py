"""Running statistics of normalisation layers that are computed as a factor and a shift of unchanged maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autodas.kernels import Moments, Running, follow_moments

Norm = nn.BatchNorm2d | nn.BatchNorm3d


def running_moments(norms: Sequence[Norm]) -> Moments:
    """Return the running statistics of layers, each of shape (layers, channels)."""
    means, variances = _running(norms)
    return torch.stack(means), torch.stack(variances)


def follow(norms: Sequence[Norm], batch: Moments, row: tuple[int, ...], pixels: int) -> None:
    """Update the running statistics of layers with those of a batch, unless they are frozen.

    Args:
        norms: the layers.
        batch: moments of the batch.
        row: the row of each layer.
        pixels: number of values that they were computed from; the running variance is the unbiased one.
    """
    running = followed(norms)
    if running is not None:
        means, variances, momentum = running
        follow_moments(means, variances, *batch, row, momentum, pixels)


def followed(norms: Sequence[Norm]) -> Running | None:
    """Return the running statistics of layers, and a batch's weight in them; ``None`` if they are frozen."""
    if not norms or not norms[0].track_running_stats:
        return None
    momentum = norms[0].momentum
    assert momentum is not None
    return *_running(norms), momentum


def _running(norms: Sequence[Norm]) -> tuple[list[Tensor], list[Tensor]]:
    # The dictionaries are a hundred times faster than the modules' attributes.
    buffers: list[Any] = [norm._buffers for norm in norms]
    return [own["running_mean"] for own in buffers], [own["running_var"] for own in buffers]
