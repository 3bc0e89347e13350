"""One depthwise convolution."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Stencil(NamedTuple):
    """One depthwise convolution.

    Args:
        weight: shape (channels, 1, *window), in torch's layout.
        dilation: distance between the taps of windows wider than 1.
    """

    weight: Tensor
    dilation: int

    def spread(self) -> tuple[int, ...]:
        """Return the dilation along each dimension."""
        return tuple(self.dilation if k > 1 else 1 for k in self.weight.shape[2:])

    def padding(self) -> tuple[int, ...]:
        """Return the padding that keeps the size of a map."""
        return tuple(d * (k // 2) for k, d in zip(self.weight.shape[2:], self.spread(), strict=True))
