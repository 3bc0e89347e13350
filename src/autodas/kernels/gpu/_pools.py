"""Pools over windows of 3 x 3 pixels."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels.gpu._launch import COUNTS, Tiles, launch


@triton.jit(do_not_specialize=COUNTS)
def _pools(
    x,
    most,
    mean,
    winners,
    pixels,
    height,
    width,
    out_height,
    out_width,
    channels,
    STRIDE: tl.constexpr,
    MOST: tl.constexpr,
    MEAN: tl.constexpr,
    WINNERS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    image = pixel // (out_height * out_width)
    top = pixel // out_width % out_height * STRIDE - 1
    left = pixel % out_width * STRIDE - 1
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    best = tl.full((PIXELS, CHANNELS), float("-inf"), tl.float32)
    winner = tl.full((PIXELS, CHANNELS), -1, tl.int8)
    count = tl.zeros((PIXELS,), tl.float32)
    for tap in tl.static_range(9):
        row = top + tap // 3
        column = left + tap % 3
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        at = ((image * height + row) * width + column)[:, None] * channels + channel[None, :]
        value = tl.load(x + at, mask=inside[:, None] & within, other=0.0).to(tl.float32)
        # The first of equal maxima wins, and what is not a number wins over all.
        better = inside[:, None] & ((value > best) | (winner < 0) | ((value != value) & (best == best)))
        best = tl.where(better, value, best)
        winner = tl.where(better, tap, winner).to(tl.int8)
        total += value
        count += inside.to(tl.float32)
    at = pixel[:, None] * channels + channel[None, :]
    if MOST:
        tl.store(most + at, best.to(most.dtype.element_ty), mask=within)
    if MEAN:
        tl.store(mean + at, (total / count[:, None]).to(mean.dtype.element_ty), mask=within)
    if WINNERS:
        tl.store(winners + at, winner, mask=within)


@triton.jit(do_not_specialize=COUNTS)
def _pools_gradient(
    gradient,
    most,
    mean,
    winners,
    pixels,
    height,
    width,
    out_height,
    out_width,
    channels,
    STRIDE: tl.constexpr,
    MOST: tl.constexpr,
    MEAN: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    within = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    image = pixel // (height * width)
    row = pixel // width % height
    column = pixel % width
    at = pixel[:, None] * channels + channel[None, :]
    total = tl.load(gradient + at, mask=within, other=0.0).to(tl.float32)
    for tap in tl.static_range(9):
        # The windows of which this pixel is the tap: stride * output row = row + 1 - tap's row.
        down = row + 1 - tap // 3
        right = column + 1 - tap % 3
        y = down // STRIDE
        p = right // STRIDE
        reads = (down >= 0) & (down % STRIDE == 0) & (y < out_height)
        reads = reads & (right >= 0) & (right % STRIDE == 0) & (p < out_width)
        mask = reads[:, None] & within
        place = ((image * out_height + y) * out_width + p)[:, None] * channels + channel[None, :]
        if MOST:
            own = tl.load(winners + place, mask=mask, other=-1) == tap
            total += tl.where(own, tl.load(most + place, mask=mask, other=0.0).to(tl.float32), 0.0)
        if MEAN:
            rows = tl.minimum(y * STRIDE + 1, height - 1) - tl.maximum(y * STRIDE - 1, 0) + 1
            columns = tl.minimum(p * STRIDE + 1, width - 1) - tl.maximum(p * STRIDE - 1, 0) + 1
            count = (rows * columns).to(tl.float32)
            share = tl.load(mean + place, mask=mask, other=0.0).to(tl.float32)
            total += share / tl.where(reads, count, 1.0)[:, None]
    tl.store(gradient + at, total.to(gradient.dtype.element_ty), mask=within)


def pools_forward(x: Tensor, stride: int, most: Tensor | None, mean: Tensor | None) -> None:
    """Write the maximum and the mean over windows of 3 x 3 pixels; either may be ``None``.

    Args:
        x: shape (images, rows, columns, channels).
        stride: stride along rows and columns.
        most, mean: the outputs.
    """
    given = most if most is not None else mean
    assert given is not None
    _launch_pools(x, stride, most, mean, None, given)


def pools_backward(
    x: Tensor, stride: int, most: Tensor | None, mean: Tensor | None, gradient: Tensor
) -> None:
    """Add the gradients of :func:`pools_forward`, given those of its outputs, to ``gradient``."""
    given = most if most is not None else mean
    assert given is not None
    winners = None
    if most is not None:
        winners = torch.empty_like(most, dtype=torch.int8)
        _launch_pools(x, stride, None, None, winners, given)
    images, height, width, channels = x.shape
    tiles = Tiles(images * height * width, channels)
    launch(
        _pools_gradient,
        (tiles.along_pixels, tiles.along_channels, 1),
        gradient,
        *(given if tensor is None else tensor for tensor in (most, mean, winners)),
        images * height * width,
        height,
        width,
        *given.shape[-3:-1],
        channels,
        **tiles.constants(STRIDE=stride, MOST=most is not None, MEAN=mean is not None),
    )


def _launch_pools(
    x: Tensor, stride: int, most: Tensor | None, mean: Tensor | None, winners: Tensor | None, like: Tensor
) -> None:
    channels = x.shape[-1]
    pixels = like.numel() // channels
    tiles = Tiles(pixels, channels)
    outputs = (most, mean, winners)
    launch(
        _pools,
        (tiles.along_pixels, tiles.along_channels, 1),
        x,
        *(like if output is None else output for output in outputs),
        pixels,
        *x.shape[1:3],
        *like.shape[-3:-1],
        channels,
        **tiles.constants(
            STRIDE=stride, MOST=most is not None, MEAN=mean is not None, WINNERS=winners is not None
        ),
    )
