"""Depthwise convolutions of many candidates.

All candidates are computed in one launch: a map is read from memory once and from the caches after that, and
ReLU and normalisation are applied on reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels._constants import constant
from autodas.kernels._stencil import Stencil
from autodas.kernels.gpu._launch import COUNTS, Grid, Tiles, addresses, launch


@triton.jit
def _activated(x, at, inside, factor, summand, AFFINE: tl.constexpr):
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    if AFFINE:
        value = value * factor + summand
    # Padding follows the ReLU. NaN is preserved.
    return tl.where(inside & ~(value < 0), value, 0.0)


@triton.jit
def _affine(scale, shift, g, channel, channels, AFFINE: tl.constexpr):
    factor = channel * 0.0
    summand = channel * 0.0
    if AFFINE:
        at = g * channels + channel
        factor = tl.load(scale + at, mask=channel < channels, other=0.0).to(tl.float32)
        summand = tl.load(shift + at, mask=channel < channels, other=0.0).to(tl.float32)
    return factor[None, :], summand[None, :]


@triton.jit
def _features(
    x,
    taps,
    pixel,
    channel,
    within,
    window,
    dilation,
    factor,
    summand,
    height,
    width,
    out_height,
    out_width,
    channels,
    STRIDE: tl.constexpr,
    AFFINE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """Return the outputs of a depthwise convolution at some pixels."""
    image = pixel // (out_height * out_width)
    half = dilation * (window // 2)
    top = pixel // out_width % out_height * STRIDE - half
    left = pixel % out_width * STRIDE - half
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for a in range(window):
        row = top + a * dilation
        for b in range(window):
            column = left + b * dilation
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            at = ((image * height + row) * width + column)[:, None] * channels + channel[None, :]
            value = _activated(x, at, inside[:, None] & within, factor, summand, AFFINE)
            tap = (channel * window + a) * window + b
            weight = tl.load(taps + tap, mask=channel < channels, other=0.0)
            total += value * weight[None, :]
    return total


@triton.jit(do_not_specialize=COUNTS)
def _forward(
    x,
    weights,
    plan,
    scale,
    shift,
    out,
    pixels,
    height,
    width,
    out_height,
    out_width,
    channels,
    map_size,
    STRIDE: tl.constexpr,
    SHARED: tl.constexpr,
    AFFINE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    g = tl.program_id(2)
    window, dilation = tl.load(plan + 3 * g), tl.load(plan + 3 * g + 1)
    taps = tl.load(weights + g).to(tl.pointer_type(tl.float32))
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    factor, summand = _affine(scale, shift, g, channel, channels, AFFINE)
    total = _features(
        x if SHARED else x + g.to(tl.int64) * map_size,
        taps,
        pixel,
        channel,
        within,
        window,
        dilation,
        factor,
        summand,
        height,
        width,
        out_height,
        out_width,
        channels,
        STRIDE,
        AFFINE,
        PIXELS,
        CHANNELS,
    )
    at = pixel[:, None] * channels + channel[None, :]
    target = out + g.to(tl.int64) * pixels * channels
    tl.store(target + at, total.to(out.dtype.element_ty), mask=within)


@triton.jit(do_not_specialize=COUNTS)
def _backward_input(
    x,
    weights,
    plan,
    scale,
    shift,
    upstream,
    gradient,
    count,
    pixels,
    height,
    width,
    out_height,
    out_width,
    channels,
    out_size,
    STRIDE: tl.constexpr,
    SHARED: tl.constexpr,
    AFFINE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    own = tl.program_id(2)
    first = own
    last = own + 1
    if SHARED:
        last = count
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    image = pixel // (height * width)
    row = pixel // width % height
    column = pixel % width
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for g in range(first, last):
        window, dilation = tl.load(plan + 3 * g), tl.load(plan + 3 * g + 1)
        taps = tl.load(weights + g).to(tl.pointer_type(tl.float32))
        half = dilation * (window // 2)
        source = upstream + tl.cast(g, tl.int64) * out_size
        for a in range(window):
            # The output rows that read this row: stride * output row = row + half - a * dilation.
            down = row + half - a * dilation
            for b in range(window):
                right = column + half - b * dilation
                reads = (down >= 0) & (down % STRIDE == 0) & (down // STRIDE < out_height)
                reads = reads & (right >= 0) & (right % STRIDE == 0) & (right // STRIDE < out_width)
                place = (image * out_height + down // STRIDE) * out_width + right // STRIDE
                at = place[:, None] * channels + channel[None, :]
                value = tl.load(source + at, mask=reads[:, None] & within, other=0.0).to(tl.float32)
                tap = (channel * window + a) * window + b
                weight = tl.load(taps + tap, mask=channel < channels, other=0.0)
                total += value * weight[None, :]
    factor, summand = _affine(scale, shift, own, channel, channels, AFFINE)
    at = pixel[:, None] * channels + channel[None, :]
    moved = own.to(tl.int64) * pixels * channels
    value = _activated(x + moved, at, within, factor, summand, AFFINE)
    passed = tl.where(value > 0, total, 0.0)
    tl.store(gradient + moved + at, passed.to(gradient.dtype.element_ty), mask=within)


@triton.jit(do_not_specialize=COUNTS)
def _backward_weights(
    x,
    plan,
    scale,
    shift,
    upstream,
    partial,
    pixels,
    height,
    width,
    out_height,
    out_width,
    channels,
    map_size,
    size,
    STRIDE: tl.constexpr,
    SHARED: tl.constexpr,
    AFFINE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    part = tl.program_id(0)
    g = tl.program_id(2)
    window, dilation, offset = tl.load(plan + 3 * g), tl.load(plan + 3 * g + 1), tl.load(plan + 3 * g + 2)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    half = dilation * (window // 2)
    factor, summand = _affine(scale, shift, g, channel, channels, AFFINE)
    source = x if SHARED else x + g.to(tl.int64) * map_size
    arrived = upstream + g.to(tl.int64) * pixels * channels
    target = partial + part.to(tl.int64) * size
    for a in range(window):
        for b in range(window):
            total = tl.zeros((PIXELS, CHANNELS), tl.float32)
            for block in range(BLOCKS):
                pixel = (part * BLOCKS + block) * PIXELS + tl.arange(0, PIXELS)
                within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
                image = pixel // (out_height * out_width)
                row = pixel // out_width % out_height * STRIDE - half + a * dilation
                column = pixel % out_width * STRIDE - half + b * dilation
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                at = ((image * height + row) * width + column)[:, None] * channels + channel[None, :]
                value = _activated(source, at, inside[:, None] & within, factor, summand, AFFINE)
                at = pixel[:, None] * channels + channel[None, :]
                total += value * tl.load(arrived + at, mask=within, other=0.0).to(tl.float32)
            tap = offset * channels + (channel * window + a) * window + b
            tl.store(target + tap, tl.sum(total, axis=0), mask=channel < channels)


def stencils_forward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """As :func:`autodas.kernels.stencils_forward`, for maps of two dimensions in fp32 or bf16."""
    call = Call(x, stencils, stride, scale, shift)
    out = x.new_empty(len(stencils), *call.out_shape)
    tiles = Tiles(call.out_pixels, x.shape[-1])
    launch(
        _forward,
        _grid(tiles, len(stencils)),
        *call.inputs(),
        out,
        call.out_pixels,
        *call.sizes,
        call.map_size,
        **tiles.constants(**call.constants),
    )
    return out


def stencils_backward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    upstream: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    *,
    weight_gradient: bool = True,
) -> tuple[Tensor, list[Tensor | None]]:
    """As :func:`autodas.kernels.stencils_backward`, for maps of two dimensions in fp32 or bf16."""
    call = Call(x, stencils, stride, scale, shift)
    upstream = upstream.contiguous()
    gradient = input_gradient(call, upstream)
    if not weight_gradient:
        return gradient, [None] * len(stencils)
    tiles = Tiles(call.out_pixels, x.shape[-1])
    partial = upstream.new_empty(tiles.parts, call.taps, dtype=torch.float32)
    write_weight_sums(call, upstream, partial, tiles)
    gradients = partial.sum(0).split([weight.numel() for weight in call.weights])
    return gradient, [
        own.view_as(s.weight).to(s.weight.dtype) for own, s in zip(gradients, stencils, strict=True)
    ]


def input_gradient(call: Call, upstream: Tensor) -> Tensor:
    """Return the gradient of the argument of the ReLU."""
    gradient = torch.empty_like(call.x)
    tiles = Tiles(call.in_pixels, call.sizes[-1])
    launch(
        _backward_input,
        _grid(tiles, 1 if call.shared else len(call.weights)),
        *call.inputs(),
        upstream,
        gradient,
        len(call.weights),
        call.in_pixels,
        *call.sizes,
        call.out_pixels * call.sizes[-1],
        **tiles.constants(**call.constants),
    )
    return gradient


def write_weight_sums(call: Call, upstream: Tensor, partial: Tensor, tiles: Tiles) -> None:
    """Write the gradients of all weights by each part of the pixels, into the first columns of ``partial``.

    Args:
        call: the call.
        upstream: gradient of the output.
        partial: shape (parts, at least all weights).
        tiles: tiles of the output.
    """
    x, _, *rest = call.inputs()
    launch(
        _backward_weights,
        (tiles.parts, tiles.along_channels, len(call.weights)),
        x,
        *rest,
        upstream,
        partial,
        call.out_pixels,
        *call.sizes,
        call.map_size,
        partial.shape[1],
        **tiles.constants(**call.constants, BLOCKS=tiles.blocks),
    )


def _grid(tiles: Tiles, groups: int) -> Grid:
    """Return the number of programs: tiles along pixels and along channels, stencils."""
    return tiles.along_pixels, tiles.along_channels, groups


class Call:
    """Shapes and arguments shared by the three kernels."""

    def __init__(
        self,
        x: Tensor,
        stencils: Sequence[Stencil],
        stride: Sequence[int],
        scale: Tensor | None,
        shift: Tensor | None,
    ) -> None:
        *_, batch, height, width, channels = x.shape
        out_height, out_width = -(-height // stride[0]), -(-width // stride[1])
        self.shared = x.dim() == 4
        self.x, self.scale, self.shift = x.contiguous(), scale, shift
        self.weights = [s.weight.float() for s in stencils]
        self.taps = sum(weight.numel() for weight in self.weights)
        self.plan = _plan(stencils, x.device)
        self.out_shape = (batch, out_height, out_width, channels)
        self.in_pixels, self.out_pixels = batch * height * width, batch * out_height * out_width
        self.sizes = (height, width, out_height, out_width, channels)
        self.map_size = self.in_pixels * channels
        self.constants = {
            "STRIDE": stride[0],
            "SHARED": self.shared,
            "AFFINE": scale is not None,
            "enable_fp_fusion": True,
        }

    def inputs(self) -> list[Any]:
        """Return map, addresses of weights, plan, scale and shift; the map stands for missing ones."""
        affine = [self.x if s is None else s.contiguous() for s in (self.scale, self.shift)]
        return [self.x, addresses(self.weights), self.plan, *affine]


def _plan(stencils: Sequence[Stencil], device: torch.device) -> Tensor:
    """Return window, dilation and first tap of each stencil."""
    rows, first = [], 0
    for weight, dilation in stencils:
        window = weight.shape[-1]
        rows.append((window, dilation, first))
        first += window * window
    return constant(tuple(rows), device, torch.int32)
