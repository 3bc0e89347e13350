"""Mixing of normalised maps, and its gradient."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels._layout import EPSILON, Layout
from autodas.kernels._maps import Maps, Stack, joined
from autodas.kernels.gpu._combine import _picked, both, combine, starts
from autodas.kernels.gpu._launch import COUNTS, Tiles, launch, numbers


@triton.jit(do_not_specialize=COUNTS)
def _factors(
    factors,
    shift,
    scale,
    mean,
    variance,
    starts,
    row,
    factor,
    weights,
    outputs,
    rows,
    channels,
    epsilon,
    WEIGHTED: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    o = tl.program_id(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < channels
    if o == outputs:
        # The last programs write the factors of normalisation of all rows.
        for r in range(rows):
            value = tl.load(variance + r * channels + channel, mask=inside, other=1.0)
            tl.store(scale + r * channels + channel, tl.rsqrt(value + epsilon), mask=inside)
    else:
        summand = tl.zeros((CHANNELS,), tl.float32)
        for t in range(tl.load(starts + o), tl.load(starts + o + 1)):
            r = tl.load(row + t)
            moments = r * channels + channel
            normalised = inside & (moments >= 0)
            own = tl.rsqrt(tl.load(variance + moments, mask=normalised, other=1.0) + epsilon)
            own = tl.where(r < 0, 1.0, own)
            if WEIGHTED:
                own = own * tl.load(weights + tl.load(factor + t))
            tl.store(factors + t * channels + channel, own, mask=inside)
            summand -= own * tl.load(mean + moments, mask=normalised, other=0.0)
        tl.store(shift + o * channels + channel, summand, mask=inside)


def mix_forward(
    out: Tensor,
    scale: Tensor,
    layout: Layout,
    maps: Maps,
    mean: Tensor,
    variance: Tensor,
    weights: Tensor | None = None,
) -> None:
    """As :func:`autodas.kernels.mix_forward`."""
    outputs, pixels, channels = out.shape
    tiles = Tiles(pixels, channels)
    factors, shift = mean.new_empty(len(layout.row), channels), mean.new_empty(outputs, channels)
    launch(
        _factors,
        (outputs + 1, tiles.along_channels, 1),
        factors,
        shift,
        scale,
        mean,
        variance,
        numbers(starts(layout.counts), out),
        numbers(layout.row, out),
        numbers(layout.factor, out),
        factors if weights is None else weights,
        outputs,
        len(mean),
        channels,
        EPSILON,
        WEIGHTED=weights is not None,
        CHANNELS=tiles.channels,
    )
    combine(out, layout.counts, maps, factors, shift)


@triton.jit(do_not_specialize=COUNTS)
def _part_sums(
    sums,
    one,
    other,
    upstream,
    index,
    place,
    row,
    mean,
    scale,
    pixels,
    channels,
    map_size,
    terms,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    part = tl.program_id(0)
    t = tl.program_id(2)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < channels
    source = _picked(one, other, tl.load(index + t), map_size)
    arrived = upstream + tl.load(place + t).to(tl.int64) * map_size
    moments = tl.load(row + t) * channels + channel
    normalised = inside & (moments >= 0)
    centre = tl.load(mean + moments, mask=normalised, other=0.0)[None, :]
    factor = tl.load(scale + moments, mask=normalised, other=1.0)[None, :]
    plain = tl.zeros((CHANNELS,), tl.float32)
    product = tl.zeros((CHANNELS,), tl.float32)
    for block in range(BLOCKS):
        pixel = (part * BLOCKS + block) * PIXELS + tl.arange(0, PIXELS)
        within = (pixel < pixels)[:, None] & inside[None, :]
        at = pixel[:, None] * channels + channel[None, :]
        given = tl.load(arrived + at, mask=within, other=0.0).to(tl.float32)
        value = tl.load(source + at, mask=within, other=0.0).to(tl.float32)
        plain += tl.sum(given, axis=0)
        product += tl.sum(given * (value - centre) * factor, axis=0)
    at = (part * 2 * terms + t) * channels + channel
    tl.store(sums + at, plain, mask=inside)
    tl.store(sums + at + terms * channels, product, mask=inside)


@triton.jit(do_not_specialize=COUNTS)
def _slopes(
    slopes,
    gradient,
    sums,
    row,
    factor,
    slot,
    unused,
    mean,
    scale,
    weights,
    parts,
    slots,
    terms,
    count,
    pixels,
    channels,
    WEIGHTED: tl.constexpr,
    RUNNING: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    t = tl.program_id(0)
    if WEIGHTED:
        # Weights of no term: each program sets some of their gradients to 0.
        for place in range(t, count, terms):
            tl.store(gradient + tl.load(unused + place), 0.0)
    r = tl.load(row + t)
    weight = 1.0
    if WEIGHTED:
        weight = tl.load(weights + tl.load(factor + t)).to(tl.float32)
    of_weight = 0.0
    for first in range(0, channels, CHANNELS):
        channel = first + tl.arange(0, CHANNELS)
        inside = channel < channels
        plain = tl.zeros((CHANNELS,), tl.float32)
        product = tl.zeros((CHANNELS,), tl.float32)
        for part in range(parts):
            at = (part * 2 * terms + t) * channels + channel
            plain += tl.load(sums + at, mask=inside, other=0.0)
            product += tl.load(sums + at + terms * channels, mask=inside, other=0.0)
        moments = r * channels + channel
        normalised = inside & (moments >= 0)
        own = tl.load(scale + moments, mask=normalised, other=1.0)
        centre = tl.load(mean + moments, mask=normalised, other=0.0)
        a = weight * own
        share = tl.where(r < 0, 0.0, a / pixels)
        if RUNNING:
            share = share * 0.0
        b = -share * own * product
        d = -share * plain - b * centre
        to = tl.load(slot + t) * channels + channel
        tl.store(slopes + to, a, mask=inside)
        tl.store(slopes + slots * channels + to, b, mask=inside)
        tl.store(slopes + 2 * slots * channels + to, d, mask=inside)
        of_weight += tl.sum(product, axis=0)
    if WEIGHTED:
        tl.store(gradient + tl.load(factor + t), of_weight)


def mix_backward(
    slopes: Tensor,
    layout: Layout,
    maps: Maps,
    upstream: Stack,
    mean: Tensor,
    scale: Tensor,
    weights: Tensor | None = None,
    *,
    running: bool = False,
) -> Tensor | None:
    """As :func:`autodas.kernels.mix_backward`."""
    arrived = joined(upstream)
    _, pixels, channels = arrived.shape
    terms, tiles = len(layout.row), Tiles(pixels, channels)
    sums = mean.new_empty(tiles.parts, 2, terms, channels)
    gradient = None if weights is None else torch.empty_like(weights)
    total = 0 if weights is None else weights.numel()
    unused = tuple(place for place in range(total) if place not in layout.factor)
    row, factor = numbers(layout.row, mean), numbers(layout.factor, mean)
    launch(
        _part_sums,
        (tiles.parts, tiles.along_channels, terms),
        sums,
        *both(maps),
        arrived,
        numbers(maps.index, mean),
        numbers(layout.place, mean),
        row,
        mean,
        scale,
        pixels,
        channels,
        pixels * channels,
        terms,
        picked=maps,
        **tiles.constants(BLOCKS=tiles.blocks),
    )
    launch(
        _slopes,
        (terms, 1, 1),
        slopes,
        slopes if gradient is None else gradient,
        sums,
        row,
        factor,
        numbers(layout.slot, mean),
        numbers(unused, mean),
        mean,
        scale,
        slopes if weights is None else weights,
        tiles.parts,
        slopes.shape[1],
        terms,
        len(unused),
        pixels,
        channels,
        WEIGHTED=weights is not None,
        RUNNING=running,
        CHANNELS=tiles.channels,
    )
    return gradient
