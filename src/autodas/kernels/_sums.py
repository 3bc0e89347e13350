"""Weighted sums of maps, and their moments, over channels-last maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autodas.kernels._calls import address, addresses, integers, library_for, pointers
from autodas.kernels._gpu import gpu_form
from autodas.kernels._maps import Maps, Stack


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the type of sums over maps of a type: single precision at least."""
    return torch.promote_types(dtype, torch.float32)


def combine(
    out: Stack,
    counts: Sequence[int],
    maps: Maps,
    scale: Tensor,
    shift: Tensor | None = None,
    *,
    add: bool = False,
) -> None:
    r"""Write :math:`\sum_t s_t m_t + h` to each output, or add it.

    Args:
        out: the outputs; on a GPU as one tensor.
        counts: number of terms of each output; ``maps`` and the rows of ``scale`` are in this order.
        maps: the map m of each term.
        scale: s, shape (terms, channels), in single precision at least.
        shift: h, shape (outputs, channels); ``None`` for 0.
        add: whether to add to the existing values.
    """
    library, accelerated = library_for(out[0]), gpu_form(out[0])
    if accelerated is not None:
        assert isinstance(out, Tensor)
        accelerated.combine(out, counts, maps, scale, shift, add=add)
        return
    if library is None:
        terms = iter(zip(maps.each(), scale, strict=True))
        for o, count in enumerate(counts):
            total = out[o].to(scale.dtype) if add else scale.new_zeros(())
            total = total if shift is None else total + shift[o]
            for _ in range(count):
                own, factor = next(terms)
                total = torch.addcmul(total, own.to(scale.dtype), factor)
            out[o].copy_(total)
        return
    library.autodas_combine(
        addresses(out),
        len(counts),
        integers(tuple(counts)),
        pointers(maps.addresses()),
        address(scale),
        address(shift),
        None,
        *out[0].shape,
        int(add),
    )


def moments(maps: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Write mean and biased variance of each channel of each map.

    Args:
        maps: shape (maps, images, *map, channels).
        mean, variance: shape (maps, channels), in single precision at least.
    """
    library, accelerated = library_for(maps), gpu_form(maps)
    if accelerated is not None:
        accelerated.moments(maps, mean, variance)
        return
    if library is None:
        spread, centre = torch.var_mean(maps.flatten(1, -2).to(mean.dtype), dim=1, correction=0)
        mean.copy_(centre)
        variance.copy_(spread)
        return
    count, images, channels = maps.shape[0], maps.shape[1], maps.shape[-1]
    pixels = maps.numel() // (count * images * channels)
    library.autodas_moments(
        address(maps),
        count,
        images,
        pixels,
        channels,
        address(mean),
        address(variance),
    )
