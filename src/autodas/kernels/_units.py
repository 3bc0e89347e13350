"""Units of ReLU, depthwise convolution and pointwise convolution, many over one map or each over its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from autodas.kernels._calls import address, addresses, integers, library_for
from autodas.kernels._stencils import Stencil, stencils_backward, stencils_forward

COMPILED = {(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)}
"""Windows and dilations that have a compiled form, in planes, with stride 1 or 2."""


class Unit(NamedTuple):
    """The weights of one unit.

    Args:
        depthwise: shape (channels, 1, *window).
        pointwise: shape (channels, channels, 1, ...): outputs, inputs.
        dilation: distance between the taps of windows wider than 1.
    """

    depthwise: Tensor
    pointwise: Tensor
    dilation: int


class Given(NamedTuple):
    """What units read: :math:`relu(s x + h)`.

    Args:
        x: channels last: shape (batch, *map, channels), which all units read; or with one more dimension
            in front, one map for each unit.
        stride: of the depthwise convolutions, along each dimension of the map.
        scale, shift: s and h for each unit and channel, where each unit has a map of its own; else ``None``
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
    r"""The gradient of units' outputs u, as :math:`a\,g + b\,u + d` of a gradient g that arrives.

    Batch normalisation after a unit has this form: its moments depend on u.

    Args:
        upstream: g for each unit, shape (pixels, channels).
        a, b, d: for each unit and channel.
    """

    upstream: Sequence[Tensor]
    a: Tensor
    b: Tensor
    d: Tensor


def units_forward(
    given: Given, units: Sequence[Unit], *, moments: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs of units, and mean and biased variance of each channel of each.

    Args:
        given: what they read.
        units: their weights.
        moments: whether mean and variance are wanted; else they are empty.

    Returns:
        Shapes (units, batch, *map, channels), (units, channels), (units, channels).
    """
    shape = given.out_shape()
    library = library_for(given.x) if _compiled(given, units) else None
    if library is None:
        features = stencils_forward(given.x, _stencils(units), given.stride, given.scale, given.shift)
        out = torch.bmm(features.view(len(units), -1, shape[-1]), _mixers(units, features).transpose(1, 2))
        mean = variance = out.new_empty(0)
        if moments:
            wide = out.to(torch.promote_types(out.dtype, torch.float32))
            variance, mean = torch.var_mean(wide, dim=1, correction=0)
        return out.view(len(units), *shape), mean, variance
    out = given.x.new_empty(len(units), *shape)
    mean, variance = (given.x.new_empty(len(units) if moments else 0, shape[-1]) for _ in range(2))
    wanted = [address(m if moments else None) for m in (mean, variance)]
    library.autodas_units_forward(*_arguments(given, units), address(out), *wanted)
    return out, mean, variance


def units_backward(
    given: Given, units: Sequence[Unit], out: Tensor, slope: Slope, *, weights: bool
) -> tuple[Tensor, list[Tensor | None], list[Tensor | None]]:
    """Return the gradients of what the ReLU was given, and of all depthwise and pointwise weights.

    Args:
        given, units: as they were.
        out: what :func:`units_forward` returned.
        slope: the gradient of ``out``.
        weights: whether the gradients of the weights are wanted; else they are ``None``.
    """
    none: list[Tensor | None] = [None] * len(units)
    library = library_for(given.x) if _compiled(given, units) else None
    if library is None:
        return _plain_backward(given, units, out, slope, weights)
    gradient = torch.empty_like(given.x)
    depthwise = given.x.new_empty(sum(u.depthwise.numel() for u in units)) if weights else None
    pointwise = given.x.new_empty(len(units), *units[0].pointwise.shape) if weights else None
    library.autodas_units_backward(
        *_arguments(given, units),
        address(out),
        addresses(slope.upstream),
        address(slope.a),
        address(slope.b),
        address(slope.d),
        address(gradient),
        address(depthwise),
        address(pointwise),
    )
    if depthwise is None or pointwise is None:
        return gradient, none, none
    parts = torch.split(depthwise, [u.depthwise.numel() for u in units])
    shaped = [part.view_as(u.depthwise) for part, u in zip(parts, units, strict=True)]
    return gradient, list(shaped), list(pointwise.unbind())


def _plain_backward(
    given: Given, units: Sequence[Unit], out: Tensor, slope: Slope, weights: bool
) -> tuple[Tensor, list[Tensor | None], list[Tensor | None]]:
    flat = out.view(len(units), -1, out.shape[-1])
    arrived = torch.stack(list(slope.upstream))
    gradient = slope.a[:, None] * arrived + slope.b[:, None] * flat + slope.d[:, None]
    gradient = gradient.to(out.dtype)
    stencils = _stencils(units)
    pointwise: list[Tensor | None] = [None] * len(units)
    if weights:
        features = stencils_forward(given.x, stencils, given.stride, given.scale, given.shift)
        products = torch.bmm(gradient.transpose(1, 2), features.view_as(flat))
        pointwise = [p.view_as(u.pointwise) for p, u in zip(products, units, strict=True)]
    spread = torch.bmm(gradient, _mixers(units, gradient)).view_as(out)
    inputs, depthwise = stencils_backward(
        given.x, stencils, given.stride, spread, given.scale, given.shift, weight_gradient=weights
    )
    return inputs, depthwise, pointwise


def _stencils(units: Sequence[Unit]) -> list[Stencil]:
    return [Stencil(unit.depthwise, unit.dilation) for unit in units]


def _mixers(units: Sequence[Unit], like: Tensor) -> Tensor:
    return torch.stack([unit.pointwise.flatten(1) for unit in units]).to(like.dtype)


def _compiled(given: Given, units: Sequence[Unit]) -> bool:
    # Windows that do not look along time are planes, one frame after the other.
    steps = set(given.stride[-2:])
    planes = all(set(u.depthwise.shape[2:-2]) <= {1} for u in units) and set(given.stride[:-2]) <= {1}
    return (
        planes
        and len(steps) == 1
        and steps <= {1, 2}
        and all(
            u.depthwise.shape[-1] == u.depthwise.shape[-2]
            and (u.depthwise.shape[-1], u.dilation) in COMPILED
            and u.depthwise.dtype == torch.float32
            for u in units
        )
    )


def _arguments(given: Given, units: Sequence[Unit]) -> list[object]:
    rows, columns, channels = given.x.shape[-3:]
    images = math.prod(given.x.shape[:-3]) // (1 if given.shared else len(units))
    return [
        address(given.x),
        images,
        rows,
        columns,
        channels,
        len(units),
        int(given.shared),
        integers([u.depthwise.shape[-1] for u in units]),
        integers([u.dilation for u in units]),
        given.stride[-1],
        addresses([u.depthwise for u in units]),
        addresses([u.pointwise for u in units]),
        address(given.scale),
        address(given.shift),
    ]
