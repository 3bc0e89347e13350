"""Weighted sums of maps, the sums needed for their gradients, and moments: over (pixels, channels)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autodas.kernels._calls import address, addresses, integers, library_for, long

EPSILON = 1e-5
"""Summand to the variance, as in torch's batch normalisation."""


def combine(
    out: Tensor,
    counts: Sequence[int],
    maps: Sequence[Tensor],
    scale: Tensor,
    shift: Tensor | None = None,
    *,
    add: bool = False,
) -> None:
    r"""Write :math:`\sum_t s_t m_t + h` to each output, or add it.

    Args:
        out: shape (outputs, pixels, channels).
        counts: number of maps of each output; maps and rows of ``scale`` are in this order.
        maps: m, each of shape (pixels, channels).
        scale: s, shape (maps, channels).
        shift: h, shape (outputs, channels); ``None`` for 0.
        add: whether to add to the existing values.
    """
    library = library_for(out)
    if library is None:
        first = 0
        for o, count in enumerate(counts):
            total = out[o] if add else torch.zeros_like(out[o])
            total = total + (0 if shift is None else shift[o])
            for t in range(first, first + count):
                total = total + scale[t] * maps[t]
            out[o] = total
            first += count
        return
    library.autodas_combine(
        addresses(out.unbind()),
        len(counts),
        integers(counts),
        addresses(maps),
        address(scale),
        address(shift),
        long(out.shape[1]),
        long(out.shape[2]),
        int(add),
    )


def gradient_sums(
    maps: Sequence[Tensor], upstream: Sequence[Tensor], scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Return :math:`\sum u_t` and :math:`\sum u_t (s_t m_t + h_t)` over pixels.

    Args:
        maps: m, each of shape (pixels, channels).
        upstream: u, likewise.
        scale, shift: s and h, shape (maps, channels).

    Returns:
        Both of shape (maps, channels).
    """
    library = library_for(maps[0])
    if library is None:
        dtype = scale.dtype
        sums = [u.sum(0, dtype=dtype) for u in upstream]
        products = [(u * (m * s + h)).sum(0) for m, u, s, h in zip(maps, upstream, scale, shift, strict=True)]
        return torch.stack(sums), torch.stack(products)
    plain, product = torch.empty_like(scale), torch.empty_like(scale)
    library.autodas_sums(
        len(maps),
        addresses(maps),
        addresses(upstream),
        address(scale),
        address(shift),
        long(maps[0].shape[0]),
        long(maps[0].shape[1]),
        address(plain),
        address(product),
    )
    return plain, product


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each channel, at least in single precision.

    Args:
        x: shape (images, *map, channels).
    """
    library = library_for(x)
    if library is None:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(wide.flatten(0, -2), dim=0, correction=0)
        return mean, variance
    images, channels = x.shape[0], x.shape[-1]
    mean, variance = x.new_empty(channels), x.new_empty(channels)
    pixels = x.numel() // (images * channels)
    library.autodas_moments(
        address(x), long(images), long(pixels), long(channels), address(mean), address(variance)
    )
    return mean, variance
