"""Weighted sums of maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels._maps import Maps, joined
from autodas.kernels.gpu._launch import COUNTS, Tiles, launch, numbers


@triton.jit
def _picked(one, other, i, map_size):
    """Return the address of map i of one stack, or of map ~i of the other."""
    source = one + i.to(tl.int64) * map_size
    if i < 0:
        source = other + (-1 - i).to(tl.int64) * map_size
    return source


@triton.jit(do_not_specialize=COUNTS)
def _combine(
    out,
    one,
    other,
    starts,
    index,
    scale,
    shift,
    pixels,
    channels,
    map_size,
    SHIFT: tl.constexpr,
    ADD: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    o = tl.program_id(2)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    at = pixel[:, None] * channels + channel[None, :]
    target = out + o.to(tl.int64) * map_size
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    if SHIFT:
        total += tl.load(shift + o * channels + channel, mask=channel < channels, other=0.0)[None, :]
    if ADD:
        total += tl.load(target + at, mask=within, other=0.0).to(tl.float32)
    for t in range(tl.load(starts + o), tl.load(starts + o + 1)):
        source = _picked(one, other, tl.load(index + t), map_size)
        factor = tl.load(scale + t * channels + channel, mask=channel < channels, other=0.0)
        total += tl.load(source + at, mask=within, other=0.0).to(tl.float32) * factor[None, :]
    tl.store(target + at, total.to(out.dtype.element_ty), mask=within)


def combine(
    out: Tensor,
    counts: Sequence[int],
    maps: Maps,
    scale: Tensor,
    shift: Tensor | None = None,
    *,
    add: bool = False,
) -> None:
    """As :func:`autodas.kernels.combine`."""
    outputs, pixels, channels = out.shape
    tiles = Tiles(pixels, channels)
    launch(
        _combine,
        (tiles.along_pixels, tiles.along_channels, outputs),
        out,
        *both(maps),
        numbers(starts(counts), out),
        numbers(maps.index, out),
        scale,
        scale if shift is None else shift,
        pixels,
        channels,
        pixels * channels,
        picked=maps,
        **tiles.constants(SHIFT=shift is not None, ADD=add),
    )


def starts(counts: Sequence[int]) -> tuple[int, ...]:
    """Return the number of the first term of each sum, and that of all terms."""
    return tuple(accumulate(counts, initial=0))


def both(maps: Maps) -> tuple[Tensor, Tensor]:
    """Return both stacks of maps as contiguous tensors; one stands for the other if that is empty."""
    one, other = (joined(stack) if len(stack) else None for stack in (maps.one, maps.other))
    found = one if one is not None else other
    assert found is not None
    return (found if one is None else one), (found if other is None else other)
