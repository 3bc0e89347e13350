"""Units of ReLU, depthwise and pointwise convolution as data: their shapes, weights, inputs, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from autodas.kernels._maps import Maps


class UnitShape(NamedTuple):
    """Shape of one unit.

    Args:
        window: window of the depthwise convolution, along each dimension of the map.
        dilation: distance between the taps of windows wider than 1.
        reach: window of a depthwise convolution along time, whose output is added to that of the other; 0
            without one.
    """

    window: tuple[int, ...]
    dilation: int
    reach: int = 0


class Units(NamedTuple):
    """Units that are computed together. Those with a temporal convolution are consecutive.

    Args:
        shapes: shape of each.
        depthwise: weights of each, shape (channels, 1, *window).
        pointwise: weights of each, shape (channels, channels, 1, ...): outputs, inputs.
        temporal: weights of the units that have them, shape (channels, 1, reach, 1, 1).
    """

    shapes: tuple[UnitShape, ...]
    depthwise: Sequence[Tensor]
    pointwise: Sequence[Tensor]
    temporal: Sequence[Tensor] = ()

    @property
    def weights(self) -> list[Tensor]:
        """All weights, in the order of their gradients."""
        return [*self.depthwise, *self.pointwise, *self.temporal]


class Given(NamedTuple):
    """Input of units: :math:`relu(s x + h)`.

    Args:
        x: channels last: shape (batch, *map, channels), read by all units; or with an additional first
            dimension, one map for each unit.
        stride: stride of the depthwise convolutions, along each dimension of the map.
        scale, shift: s and h for each unit and channel, if each unit has its own map; otherwise ``None``
            for 1 and 0.
    """

    x: Tensor
    stride: tuple[int, ...]
    scale: Tensor | None = None
    shift: Tensor | None = None

    @property
    def shared(self) -> bool:
        """Whether all units read the same map."""
        return self.x.dim() == len(self.stride) + 2

    def out_shape(self) -> tuple[int, ...]:
        """Return the shape of one unit's output."""
        *_, batch = self.x.shape[: -len(self.stride) - 1]
        size = self.x.shape[-len(self.stride) - 1 : -1]
        reduced = (-(-length // step) for length, step in zip(size, self.stride, strict=True))
        return (batch, *reduced, self.x.shape[-1])


class Slope(NamedTuple):
    r"""Gradient of units' outputs u, as :math:`a\,g + b\,u + d` of an incoming gradient g.

    Batch normalisation after a unit has this form: its moments depend on u.

    Args:
        upstream: g for each unit, shape (pixels, channels).
        a, b, d: for each unit and channel.
    """

    upstream: Maps
    a: Tensor
    b: Tensor
    d: Tensor
