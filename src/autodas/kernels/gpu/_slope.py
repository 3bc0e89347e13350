"""Gradients of maps before their normalisation."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels._unit import Slope
from autodas.kernels.gpu._combine import _picked, both
from autodas.kernels.gpu._launch import COUNTS, Tiles, launch, numbers


@triton.jit(do_not_specialize=COUNTS)
def _slope(
    gradient,
    one,
    other,
    index,
    u,
    a,
    b,
    d,
    pixels,
    channels,
    map_size,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    g = tl.program_id(2)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    at = pixel[:, None] * channels + channel[None, :]
    source = _picked(one, other, tl.load(index + g), map_size)
    row = g * channels + channel
    x = tl.load(a + row, mask=channel < channels, other=0.0)[None, :]
    y = tl.load(b + row, mask=channel < channels, other=0.0)[None, :]
    z = tl.load(d + row, mask=channel < channels, other=0.0)[None, :]
    moved = g.to(tl.int64) * map_size
    own = tl.load(u + moved + at, mask=within, other=0.0).to(tl.float32)
    arrived = tl.load(source + at, mask=within, other=0.0).to(tl.float32)
    tl.store(gradient + moved + at, (x * arrived + y * own + z).to(gradient.dtype.element_ty), mask=within)


def gradient_of(out: Tensor, slope: Slope) -> Tensor:
    """As :func:`autodas.kernels.gradient_of`."""
    gradient = torch.empty_like(out)
    maps, pixels, channels = out.shape
    tiles = Tiles(pixels, channels)
    launch(
        _slope,
        (tiles.along_pixels, tiles.along_channels, maps),
        gradient,
        *both(slope.upstream),
        numbers(slope.upstream.index, out),
        out,
        *slope[1:],
        pixels,
        channels,
        pixels * channels,
        picked=slope.upstream,
        **tiles.constants(),
    )
    return gradient
