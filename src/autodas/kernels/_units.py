"""Units of ReLU, depthwise convolution and pointwise convolution, many over one map or each over its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from autodas.kernels._calls import address, addresses, integers, library_for
from autodas.kernels._clips import stencils_backward, stencils_forward
from autodas.kernels._constants import constant
from autodas.kernels._stencil import Stencil

COMPILED = {(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)}
"""Windows and dilations that have a compiled form, in planes, with stride 1 or 2."""


class Unit(NamedTuple):
    """The weights of one unit.

    Args:
        depthwise: shape (channels, 1, *window).
        pointwise: shape (channels, channels, 1, ...): outputs, inputs.
        dilation: distance between the taps of windows wider than 1.
        temporal: weights of a depthwise convolution along time, whose output is added to that of the other;
            shape (channels, 1, window, 1, 1), ``None`` if there is none.
    """

    depthwise: Tensor
    pointwise: Tensor
    dilation: int
    temporal: Tensor | None = None

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """All weights, in the order of their gradients: depthwise, pointwise, temporal if there is one."""
        both = (self.depthwise, self.pointwise)
        return both if self.temporal is None else (*both, self.temporal)


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

    upstream: Sequence[Tensor]
    a: Tensor
    b: Tensor
    d: Tensor

    def of(self, out: Tensor) -> Tensor:
        """Return the gradient as one tensor, shape (units, pixels, channels), from outputs of this shape."""
        return self.a[:, None] * torch.stack(list(self.upstream)) + self.b[:, None] * out + self.d[:, None]


def units_forward(
    given: Given, units: Sequence[Unit], *, moments: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs of units, and mean and biased variance of each channel of each.

    Args:
        given: input of the units.
        units: their weights.
        moments: whether to compute mean and variance; otherwise they are empty.

    Returns:
        Shapes (units, batch, *map, channels), (units, channels), (units, channels).
    """
    shape = given.out_shape()
    library = library_for(given.x) if _compiled(given, units) else None
    if library is None:
        features = _features(given, units)
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
) -> tuple[Tensor, list[tuple[Tensor | None, ...]]]:
    """Return the gradients of the argument of the ReLU, and of the weights of each unit.

    The latter are in the order of :attr:`Unit.weights`.

    Args:
        given, units: as in the forward pass.
        out: result of :func:`units_forward`.
        slope: gradient of ``out``.
        weights: whether to compute the gradients of the weights; otherwise they are ``None``.
    """
    library = library_for(given.x) if _compiled(given, units) else None
    if library is None:
        return _plain_backward(given, units, out, slope, weights)
    gradient = torch.empty_like(given.x)
    templates: list[list[Tensor]] = [
        [u.depthwise for u in units],
        [u.pointwise for u in units],
        _temporal(units),
    ]
    whole = [given.x.new_empty(sum(w.numel() for w in part)) if weights else None for part in templates]
    library.autodas_units_backward(
        *_arguments(given, units),
        address(out),
        addresses(slope.upstream),
        address(slope.a),
        address(slope.b),
        address(slope.d),
        address(gradient),
        *map(address, whole),
    )
    parts = [iter(_shaped(w, like)) for w, like in zip(whole, templates, strict=True)]
    return gradient, [tuple(next(part) for part in parts[: len(unit.weights)]) for unit in units]


def _shaped(whole: Tensor | None, like: Sequence[Tensor]) -> list[Tensor | None]:
    """Split a tensor into parts of the shapes of others."""
    if whole is None:
        return [None] * len(like)
    parts = torch.split(whole, [w.numel() for w in like])
    return [part.view_as(w) for part, w in zip(parts, like, strict=True)]


def _plain_backward(
    given: Given, units: Sequence[Unit], out: Tensor, slope: Slope, weights: bool
) -> tuple[Tensor, list[tuple[Tensor | None, ...]]]:
    flat = out.view(len(units), -1, out.shape[-1])
    gradient = slope.of(flat).to(out.dtype)
    pointwise: list[Tensor | None] = [None] * len(units)
    if weights:
        products = torch.bmm(gradient.transpose(1, 2), _features(given, units).view_as(flat))
        pointwise = [p.view_as(u.pointwise) for p, u in zip(products, units, strict=True)]
    spread = torch.bmm(gradient, _mixers(units, gradient)).view_as(out)
    inputs, depthwise = stencils_backward(
        given.x, _stencils(units), given.stride, spread, given.scale, given.shift, weight_gradient=weights
    )
    pairs = [(d, p) for d, p in zip(depthwise, pointwise, strict=True)]
    along = _along_time(units)
    if not along:
        return inputs, list(pairs)
    own = _of(given, along)
    places = constant(along, out.device)
    spread = spread.index_select(0, places)
    more, temporal = stencils_backward(
        own.x, _in_time(units), own.stride, spread, own.scale, own.shift, weight_gradient=weights
    )
    if given.shared:
        inputs = inputs + more
    else:
        inputs.index_add_(0, places, more)
    rest = iter(temporal)
    return inputs, [(*pair, next(rest)) if i in along else pair for i, pair in enumerate(pairs)]


def _features(given: Given, units: Sequence[Unit]) -> Tensor:
    """Return the input of the pointwise convolutions: the outputs of the depthwise ones."""
    features = stencils_forward(given.x, _stencils(units), given.stride, given.scale, given.shift)
    along = _along_time(units)
    if along:
        own = _of(given, along)
        more = stencils_forward(own.x, _in_time(units), own.stride, own.scale, own.shift)
        features.index_add_(0, constant(along, features.device), more)
    return features


def _along_time(units: Sequence[Unit]) -> tuple[int, ...]:
    """Return the indices of the units that have a temporal convolution."""
    return tuple(i for i, unit in enumerate(units) if unit.temporal is not None)


def _temporal(units: Sequence[Unit]) -> list[Tensor]:
    return [unit.temporal for unit in units if unit.temporal is not None]


def _in_time(units: Sequence[Unit]) -> list[Stencil]:
    return [Stencil(weight, 1) for weight in _temporal(units)]


def _of(given: Given, chosen: tuple[int, ...]) -> Given:
    """Return the input of some of the units."""
    if given.shared or len(chosen) == len(given.x):
        return given
    places = constant(chosen, given.x.device)
    scale, shift = (None if s is None else s.index_select(0, places) for s in (given.scale, given.shift))
    return Given(given.x.index_select(0, places), given.stride, scale, shift)


def _stencils(units: Sequence[Unit]) -> list[Stencil]:
    return [Stencil(unit.depthwise, unit.dilation) for unit in units]


def _mixers(units: Sequence[Unit], like: Tensor) -> Tensor:
    return torch.stack([unit.pointwise.flatten(1) for unit in units]).to(like.dtype)


def _compiled(given: Given, units: Sequence[Unit]) -> bool:
    # Frames are consecutive planes; temporal convolutions add other frames to them.
    return (
        len(given.stride) in (2, 3)
        and given.stride[-1] == given.stride[-2]
        and given.stride[-1] in (1, 2)
        and all(
            set(u.depthwise.shape[2:-2]) <= {1}
            and u.depthwise.shape[-1] == u.depthwise.shape[-2]
            and (u.depthwise.shape[-1], u.dilation) in COMPILED
            and u.depthwise.dtype == torch.float32
            for u in units
        )
    )


def _arguments(given: Given, units: Sequence[Unit]) -> list[object]:
    rows, columns, channels = given.x.shape[-3:]
    images = math.prod(given.x.shape[:-3]) // (1 if given.shared else len(units))
    step, frames = (1, 1) if len(given.stride) == 2 else (given.stride[0], given.x.shape[-4])
    if step == 1 and not _temporal(units):
        frames = 1  # each is independent
    sides = [u.depthwise.shape[-1] for u in units]
    return [
        address(given.x),
        images // frames,
        frames,
        rows,
        columns,
        channels,
        len(units),
        int(given.shared),
        integers(sides),
        integers([side**2 for side in sides]),
        integers([u.dilation for u in units]),
        integers([0 if u.temporal is None else u.temporal.shape[2] for u in units]),
        given.stride[-1],
        step,
        addresses([u.depthwise for u in units]),
        addresses([u.pointwise for u in units]),
        # (Not read for units without one.)
        addresses([u.depthwise if u.temporal is None else u.temporal for u in units]),
        address(given.scale),
        address(given.shift),
    ]
