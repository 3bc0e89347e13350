"""Normalisation as a factor and a summand."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from autodas.kernels._layout import EPSILON
from autodas.kernels.gpu._launch import COUNTS, launch

ENTRIES = 256
"""Numbers that a program computes."""


@triton.jit(do_not_specialize=COUNTS)
def _normalisation(mean, variance, scale, shift, count, epsilon, ENTRIES: tl.constexpr):
    at = tl.program_id(0) * ENTRIES + tl.arange(0, ENTRIES)
    factor = tl.rsqrt(tl.load(variance + at, mask=at < count, other=1.0) + epsilon)
    tl.store(scale + at, factor, mask=at < count)
    tl.store(shift + at, -factor * tl.load(mean + at, mask=at < count, other=0.0), mask=at < count)


def normalisation(mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor) -> None:
    """As :func:`autodas.kernels.normalisation`."""
    count = mean.numel()
    grid = (triton.cdiv(count, ENTRIES), 1, 1)
    launch(_normalisation, grid, mean, variance, scale, shift, count, EPSILON, ENTRIES=ENTRIES)
