"""Projection of a map in one call of the compiled kernels: see ``projection.h``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from autodas.kernels._calls import address, addresses, whole_library_for
from autodas.kernels._running import Running


def has_projection(x: Tensor, weights: Sequence[Tensor], stride: Sequence[int]) -> bool:
    """Return whether the compiled kernels have a form of a projection.

    Args:
        x: shape (batch, *map, inputs).
        weights: one tensor of shape (width, inputs, 1, ...) for each part.
        stride: stride along each dimension of the map.
    """
    return (
        whole_library_for(x) is not None
        and len(weights) <= 2
        and len(weights[0]) % 2 == 0
        and stride[-1] == stride[-2]
        and max(stride[:-2], default=1) == 1
        and all(weight.dtype == torch.float32 for weight in weights)
    )


def projection_forward(
    x: Tensor,
    weights: Sequence[Tensor],
    stride: Sequence[int],
    out: Tensor,
    moments: tuple[Tensor, Tensor],
    running: Running | None,
    scale: Tensor,
    normalised: Tensor,
    *,
    constant: bool,
) -> None:
    """Write the projection of a map.

    Args:
        x, weights, stride: as in :func:`has_projection`.
        out: the outputs of the convolution, shape (1, batch, *map, outputs), written.
        moments: their mean and variance, shape (1, outputs), written unless they are constant.
        running: the running statistics, which follow; ``None`` if they do not.
        scale: factor of the normalisation, shape (1, outputs), written.
        normalised: the normalised outputs, written.
        constant: whether the moments are given.
    """
    means, variances, momentum = running or ((), (), -1.0)
    library = whole_library_for(x)
    assert library is not None
    library.autodas_projection_forward(
        address(x),
        len(x),
        *_arguments(x, weights, stride),
        int(constant),
        address(out),
        *map(address, moments),
        momentum,
        addresses(means),
        addresses(variances),
        address(scale),
        address(normalised),
    )


def projection_backward(
    x: Tensor,
    weights: Sequence[Tensor],
    stride: Sequence[int],
    out: Tensor,
    mean: Tensor,
    scale: Tensor,
    upstream: Tensor,
    *,
    constant: bool,
    wanted: bool,
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Return the gradients of ``x`` and of the weights.

    Args:
        x, weights, stride, out, mean, scale, constant: as in the forward pass.
        upstream: gradient of the normalised outputs.
        wanted: whether to compute the gradients of the weights; otherwise they are ``None``.
    """
    arrived, gradient = upstream.contiguous(), torch.empty_like(x)
    slopes = mean.new_empty(3, mean.shape[-1])
    own = x.new_empty(len(weights), *weights[0].shape) if wanted else None
    library = whole_library_for(x)
    assert library is not None
    library.autodas_projection_backward(
        address(x),
        *_arguments(x, weights, stride),
        int(constant),
        *map(address, (out, mean, scale, arrived, slopes, gradient, own)),
    )
    return gradient, [None] * len(weights) if own is None else own.unbind()


def _arguments(x: Tensor, weights: Sequence[Tensor], stride: Sequence[int]) -> list[object]:
    images = math.prod(x.shape[:-3])
    return [images, *x.shape[-3:], stride[-1], len(weights), addresses(weights), len(weights[0])]
