"""Mean and variance of maps over pixels."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels.gpu._launch import COUNTS, Tiles, launch


@triton.jit
def _join(count, mean, deviation, more, own_mean, own_deviation):
    """Join count, mean and squared deviations of two sets of pixels (Chan, Golub and LeVeque, 1979)."""
    total = count + more
    share = more / tl.maximum(total, 1.0)
    gap = own_mean - mean
    return total, mean + gap * share, deviation + own_deviation + gap * gap * count * share


@triton.jit
def _add_tile(count, mean, deviation, value, counted, within):
    """Join count, mean and squared deviations with those of a tile, of whose pixels some are counted."""
    more = tl.sum(counted.to(tl.float32), axis=0)
    centre = tl.sum(tl.where(within, value, 0.0), axis=0) / tl.maximum(more, 1.0)
    gap = tl.where(within, value - centre[None, :], 0.0)
    return _join(count, mean, deviation, more, centre, tl.sum(gap * gap, axis=0))


@triton.jit(do_not_specialize=COUNTS)
def _part_moments(
    maps,
    means,
    deviations,
    pixels,
    channels,
    map_size,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    part = tl.program_id(0)
    m = tl.program_id(2)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    source = maps + m.to(tl.int64) * map_size
    count = 0.0
    mean = tl.zeros((CHANNELS,), tl.float32)
    deviation = tl.zeros((CHANNELS,), tl.float32)
    for block in range(BLOCKS):
        pixel = (part * BLOCKS + block) * PIXELS + tl.arange(0, PIXELS)
        within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
        value = tl.load(source + pixel[:, None] * channels + channel[None, :], mask=within, other=0.0)
        count, mean, deviation = _add_tile(
            count, mean, deviation, value.to(tl.float32), pixel < pixels, within
        )
    at = (part * tl.num_programs(2) + m) * channels + channel
    tl.store(means + at, mean, mask=channel < channels)
    tl.store(deviations + at, deviation, mask=channel < channels)


@triton.jit(do_not_specialize=COUNTS)
def _join_moments(
    mean,
    variance,
    means,
    deviations,
    parts,
    pixels,
    channels,
    part_size,
    CHANNELS: tl.constexpr,
):
    m = tl.program_id(2)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    count = 0.0
    centre = tl.zeros((CHANNELS,), tl.float32)
    deviation = tl.zeros((CHANNELS,), tl.float32)
    for part in range(parts):
        at = (part * tl.num_programs(2) + m) * channels + channel
        own = tl.load(means + at, mask=channel < channels, other=0.0)
        own_deviation = tl.load(deviations + at, mask=channel < channels, other=0.0)
        more = tl.minimum(part_size, pixels - part * part_size).to(tl.float32)
        count, centre, deviation = _join(count, centre, deviation, more, own, own_deviation)
    at = m * channels + channel
    tl.store(mean + at, centre, mask=channel < channels)
    tl.store(variance + at, deviation / count, mask=channel < channels)


def moments(maps: Tensor, mean: Tensor, variance: Tensor) -> None:
    """As :func:`autodas.kernels.moments`."""
    count, channels = len(maps), maps.shape[-1]
    pixels = maps.numel() // (count * channels)
    tiles = Tiles(pixels, channels)
    means, deviations = mean.new_empty(2, tiles.parts, count, channels).unbind()
    launch(
        _part_moments,
        (tiles.parts, tiles.along_channels, count),
        maps,
        means,
        deviations,
        pixels,
        channels,
        pixels * channels,
        **tiles.constants(BLOCKS=tiles.blocks),
    )
    join_moments(mean, variance, means, deviations, pixels, tiles)


def join_moments(
    mean: Tensor, variance: Tensor, means: Tensor, deviations: Tensor, pixels: int, tiles: Tiles
) -> None:
    """Write the moments of maps from mean and squared deviations of their parts, (parts, maps, channels)."""
    parts, count, channels = means.shape
    launch(
        _join_moments,
        (1, tiles.along_channels, count),
        mean,
        variance,
        means,
        deviations,
        parts,
        pixels,
        channels,
        tiles.blocks * tiles.pixels,
        CHANNELS=tiles.channels,
    )
