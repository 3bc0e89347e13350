"""Batch normalisation as a factor and a shift of maps that are left unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autodas.kernels import EPSILON, Slope

Norm = nn.BatchNorm2d | nn.BatchNorm3d

Moments = tuple[Tensor, Tensor]
"""Mean and biased variance, each of shape (layers, channels)."""


def running_moments(norms: Sequence[Norm]) -> Moments:
    """Return the running statistics of layers."""
    means, variances = _running(norms)
    return torch.stack(means), torch.stack(variances)


def follow(norms: Sequence[Norm], batch: Moments, pixels: int) -> None:
    """Update the running statistics of layers with those of a batch, unless they are frozen.

    Args:
        norms: the layers.
        batch: the moments of each.
        pixels: number of values that they were computed from; the running variance is the unbiased one.
    """
    if not norms or not norms[0].track_running_stats:
        return
    momentum = norms[0].momentum
    assert momentum is not None
    means, variances = _running(norms)
    torch._foreach_lerp_(means, list(batch[0].unbind()), momentum)
    unbiased = batch[1] * (pixels / max(1, pixels - 1))
    torch._foreach_lerp_(variances, list(unbiased.unbind()), momentum)


def _running(norms: Sequence[Norm]) -> tuple[list[Tensor], list[Tensor]]:
    buffers: list[Any] = [(norm.running_mean, norm.running_var) for norm in norms]
    return [mean for mean, _ in buffers], [variance for _, variance in buffers]


def inverse_deviation(variance: Tensor) -> Tensor:
    """Return the factor of normalisation."""
    return (variance + EPSILON).rsqrt()


def slope(
    upstream: Sequence[Tensor],
    factor: Tensor | float,
    mean: Tensor,
    scale: Tensor,
    sums: tuple[Tensor, Tensor],
    through: Tensor | bool,
) -> Slope:
    r"""Return the gradient with respect to maps u before normalisation and factor: of :math:`w \hat u`.

    With :math:`\hat u = s (u - \mu)` over n pixels and incoming gradient g, it is
    :math:`w s (g - \sum g / n - \hat u \sum g \hat u / n)`.

    Args:
        upstream: g of each map, shape (pixels, channels).
        factor: w, shape (maps, 1) or one number.
        mean, scale: of each map and channel.
        sums: sums of g and of g times the normalised map, over pixels.
        through: for each map, whether the moments depend on the map, and pass on gradient.
    """
    a = factor * scale
    share = a / len(upstream[0]) * through
    b = -share * scale * sums[1]
    return Slope(upstream, a, b, -share * sums[0] - b * mean)
