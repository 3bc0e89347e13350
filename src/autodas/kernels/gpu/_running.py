"""Running statistics of normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence

import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels.gpu._launch import COUNTS, Tiles, addresses, launch, numbers


@triton.jit(do_not_specialize=COUNTS)
def _follow(
    mean,
    variance,
    row,
    means,
    variances,
    channels,
    momentum,
    unbiased,
    CHANNELS: tl.constexpr,
):
    layer = tl.program_id(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < channels
    at = tl.load(row + layer) * channels + channel
    target = tl.load(means + layer).to(tl.pointer_type(tl.float32)) + channel
    before = tl.load(target, mask=inside, other=0.0)
    tl.store(target, before + momentum * (tl.load(mean + at, mask=inside, other=0.0) - before), mask=inside)
    target = tl.load(variances + layer).to(tl.pointer_type(tl.float32)) + channel
    before = tl.load(target, mask=inside, other=0.0)
    value = tl.load(variance + at, mask=inside, other=0.0) * unbiased
    tl.store(target, before + momentum * (value - before), mask=inside)


def follow_moments(
    means: Sequence[Tensor],
    variances: Sequence[Tensor],
    mean: Tensor,
    variance: Tensor,
    row: tuple[int, ...],
    momentum: float,
    pixels: int,
) -> None:
    """As :func:`autodas.kernels.follow_moments`."""
    channels = mean.shape[1]
    tiles = Tiles(1, channels)
    launch(
        _follow,
        (len(row), tiles.along_channels, 1),
        mean,
        variance,
        numbers(row, mean),
        addresses(means),
        addresses(variances),
        channels,
        momentum,
        pixels / max(1, pixels - 1),
        CHANNELS=tiles.channels,
    )
