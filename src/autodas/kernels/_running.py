"""Running statistics of batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autodas.kernels._calls import address, addresses, integers, library_for
from autodas.kernels._constants import constant
from autodas.kernels._gpu import gpu_form

Running = tuple[Sequence[Tensor], Sequence[Tensor], float]
"""Running means and unbiased variances of layers, and the weight of a batch in them."""


def follow_moments(
    means: Sequence[Tensor],
    variances: Sequence[Tensor],
    mean: Tensor,
    variance: Tensor,
    row: tuple[int, ...],
    momentum: float,
    pixels: int,
) -> None:
    """Update the running statistics of layers, in place, with those of a batch.

    Args:
        means, variances: running mean and unbiased variance of each layer, shape (channels,).
        mean, variance: mean and biased variance of the batch, shape (rows, channels).
        row: the row of each layer.
        momentum: weight of the batch.
        pixels: number of values that the moments were computed from.
    """
    unbiased, library, accelerated = pixels / max(1, pixels - 1), library_for(mean), gpu_form(mean)
    if accelerated is not None:
        accelerated.follow_moments(means, variances, mean, variance, row, momentum, pixels)
        return
    if library is None:
        at = constant(row, mean.device)
        torch._foreach_lerp_(list(means), list(mean[at].unbind()), momentum)
        torch._foreach_lerp_(list(variances), list((variance * unbiased)[at].unbind()), momentum)
        return
    library.autodas_follow(
        len(row),
        integers(row),
        address(mean),
        address(variance),
        mean.shape[1],
        momentum,
        unbiased,
        addresses(means),
        addresses(variances),
    )
