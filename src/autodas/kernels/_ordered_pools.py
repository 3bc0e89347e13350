"""Pools whose gradient is a sum in a fixed order, for runs on GPUs that must be the same to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._constants import constant


def needs_order(x: Tensor) -> bool:
    """Return whether the pools of a map must be computed in this form.

    On GPUs torch adds up the gradients of overlapping windows in any order.
    """
    # A tracer passes something other than a tensor.
    return isinstance(x, Tensor) and x.is_cuda and torch.are_deterministic_algorithms_enabled()


def ordered_pool(x: Tensor, kind: str, window: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Return the maximum or average of shifted maps, which only takes pixels inside the map into account.

    Args:
        x: shape (batch, channels, *map).
        kind: ``"max"`` or ``"avg"``.
        window: window along each dimension of the map, odd.
        stride: stride along each dimension.
    """
    reach = [k // 2 for k in window]
    sides = [side for r in reversed(reach) for side in (r, r)]
    padded = F.pad(x, sides, value=float("-inf") if kind == "max" else 0.0)
    size = [-(-length // step) for length, step in zip(x.shape[2:], stride, strict=True)]
    shifted = []
    for offsets in product(*(range(k) for k in window)):
        kept: tuple[Any, ...] = tuple(
            slice(offset, offset + (count - 1) * step + 1, step)
            for offset, count, step in zip(offsets, size, stride, strict=True)
        )
        shifted.append(padded[(..., *kept)])
    if kind == "max":
        return torch.stack(shifted).max(0).values
    total = shifted[0]
    for other in shifted[1:]:
        total = total + other
    for dimension, (length, count, step, r) in enumerate(zip(x.shape[2:], size, stride, reach, strict=True)):
        inside = [min(o * step + r, length - 1) - max(o * step - r, 0) + 1 for o in range(count)]
        along = [count if d == dimension else 1 for d in range(len(size))]
        total = total / constant(tuple(inside), x.device, x.dtype).view(along)
    return total
