"""Units of ReLU, depthwise convolution and pointwise convolution, many over one map or each over its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch._utils import _unflatten_dense_tensors

from autodas.kernels._calls import address, addresses, integers, library_for, pointers
from autodas.kernels._gpu import gpu_form
from autodas.kernels._maps import Maps
from autodas.kernels._stencil import Stencil
from autodas.kernels._stencils import stencils_backward, stencils_forward
from autodas.kernels._sums import moments as moments_of

COMPILED = {(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)}
"""Windows and dilations that have a compiled form, in planes, with stride 1 or 2."""


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

    def of(self, out: Tensor) -> Tensor:
        """Return the gradient as one tensor, shape (units, pixels, channels), from outputs of this shape."""
        accelerated = gpu_form(out)
        if accelerated is not None:
            return accelerated.slope(self.upstream, *self[1:], out)  # type: ignore[no-any-return]
        arrived = torch.stack(self.upstream.each()).to(self.a.dtype)
        gradient = torch.addcmul(self.d[:, None], arrived, self.a[:, None])
        return torch.addcmul(gradient, out.to(self.a.dtype), self.b[:, None]).to(out.dtype)


Moments = tuple[Tensor, Tensor]
"""Mean and biased variance of each channel, each of shape (maps, channels)."""


def units_forward(given: Given, units: Units, out: Tensor, moments: Moments | None = None) -> None:
    """Write the outputs of units, and their moments.

    Args:
        given: input of the units.
        units: the units.
        out: the outputs, shape (units, batch, *map, channels).
        moments: mean and variance of each unit's output, likewise written; ``None`` if they are not needed.
    """
    library = library_for(given.x) if _compiled(given, units) else None
    if library is None:
        features = _features(given, units)
        mixers = _mixers(units, features).transpose(1, 2)
        torch.bmm(features.flatten(1, -2), mixers, out=out.view(len(out), -1, out.shape[-1]))
        if moments is not None:
            moments_of(out, *moments)
        return
    wanted = (None, None) if moments is None else moments
    library.autodas_units_forward(*_arguments(given, units), address(out), *map(address, wanted))


def units_backward(
    given: Given, units: Units, out: Tensor, slope: Slope, *, weights: bool
) -> tuple[Tensor, list[Tensor | None]]:
    """Return the gradients of the argument of the ReLU, and of the weights.

    The latter are in the order of :attr:`Units.weights`.

    Args:
        given, units: as in the forward pass.
        out: result of :func:`units_forward`.
        slope: gradient of ``out``.
        weights: whether to compute the gradients of the weights; otherwise they are ``None``.
    """
    library = library_for(given.x) if _compiled(given, units) else None
    if library is None:
        return _plain_backward(given, units, out, slope, weights)
    gradient, every = torch.empty_like(given.x), units.weights
    whole = given.x.new_empty(sum(w.numel() for w in every)) if weights else None
    library.autodas_units_backward(
        *_arguments(given, units),
        address(out),
        pointers(slope.upstream.addresses()),
        *map(address, slope[1:]),
        address(gradient),
        address(whole),
    )
    if whole is None:
        return gradient, [None] * len(every)
    return gradient, list(_unflatten_dense_tensors(whole, every))  # type: ignore[no-untyped-call]


def _plain_backward(
    given: Given, units: Units, out: Tensor, slope: Slope, weights: bool
) -> tuple[Tensor, list[Tensor | None]]:
    flat = out.view(len(out), -1, out.shape[-1])
    gradient = slope.of(flat)
    pointwise: list[Tensor | None] = [None] * len(out)
    if weights:
        products = _over_pixels(gradient, _features(given, units).view_as(flat))
        pointwise = [p.view_as(like) for p, like in zip(products, units.pointwise, strict=True)]
    spread = torch.bmm(gradient, _mixers(units, gradient)).view_as(out)
    inputs, depthwise = stencils_backward(
        given.x, _stencils(units), given.stride, spread, given.scale, given.shift, weight_gradient=weights
    )
    if not units.temporal:
        return inputs, [*depthwise, *pointwise]
    along = _along_time(units.shapes)
    own = _of(given, along)
    more, temporal = stencils_backward(
        own.x, _in_time(units), own.stride, spread[along], own.scale, own.shift, weight_gradient=weights
    )
    if given.shared:
        inputs = inputs + more
    else:
        inputs[along] += more
    return inputs, [*depthwise, *pointwise, *temporal]


def _over_pixels(left: Tensor, right: Tensor) -> Tensor:
    """Return left^T right for each unit.

    Libraries seldom divide such a long sum among the processors of a GPU, so it is computed in parts.
    """
    units, pixels, channels = left.shape
    parts = next((n for n in (64, 32, 16, 8, 4, 2) if pixels % n == 0 and pixels // n >= 256), 1)
    one, other = (t.reshape(units * parts, pixels // parts, channels) for t in (left, right))
    return torch.bmm(one.transpose(1, 2), other).view(units, parts, channels, channels).sum(1)


def _features(given: Given, units: Units) -> Tensor:
    """Return the input of the pointwise convolutions: the outputs of the depthwise ones."""
    features = stencils_forward(given.x, _stencils(units), given.stride, given.scale, given.shift)
    if units.temporal:
        along = _along_time(units.shapes)
        own = _of(given, along)
        features[along] += stencils_forward(own.x, _in_time(units), own.stride, own.scale, own.shift)
    return features


def _along_time(shapes: Sequence[UnitShape]) -> slice:
    """Return the indices of the units that have a temporal convolution."""
    places = [i for i, shape in enumerate(shapes) if shape.reach]
    return slice(places[0], places[-1] + 1)


def _in_time(units: Units) -> list[Stencil]:
    return [Stencil(weight, 1) for weight in units.temporal]


def _of(given: Given, along: slice) -> Given:
    """Return the input of some of the units."""
    if given.shared:
        return given
    scale, shift = (None if s is None else s[along] for s in (given.scale, given.shift))
    return Given(given.x[along], given.stride, scale, shift)


def _stencils(units: Units) -> list[Stencil]:
    return [
        Stencil(weight, shape.dilation) for weight, shape in zip(units.depthwise, units.shapes, strict=True)
    ]


def _mixers(units: Units, like: Tensor) -> Tensor:
    return torch.stack([weight.flatten(1) for weight in units.pointwise]).to(like.dtype)


def _compiled(given: Given, units: Units) -> bool:
    # Frames are consecutive planes; temporal convolutions add other frames to them.
    return (
        len(given.stride) in (2, 3)
        and given.stride[-1] == given.stride[-2]
        and given.stride[-1] in (1, 2)
        and _have_loops(units.shapes)
        and units.depthwise[0].dtype == torch.float32
    )


@lru_cache(maxsize=4096)
def _have_loops(shapes: tuple[UnitShape, ...]) -> bool:
    return all(
        set(window[:-2]) <= {1} and window[-1] == window[-2] and (window[-1], dilation) in COMPILED
        for window, dilation, _ in shapes
    )


@lru_cache(maxsize=4096)
def _described(shapes: tuple[UnitShape, ...]) -> tuple[object, object, object, object]:
    """Return sides and areas of the windows, dilations, and windows in time, for the kernels."""
    sides = tuple(shape.window[-1] for shape in shapes)
    return (
        integers(sides),
        integers(tuple(side**2 for side in sides)),
        integers(tuple(shape.dilation for shape in shapes)),
        integers(tuple(shape.reach for shape in shapes)),
    )


def _arguments(given: Given, units: Units) -> list[object]:
    rows, columns, channels = given.x.shape[-3:]
    images = math.prod(given.x.shape[:-3]) // (1 if given.shared else len(units.shapes))
    step, frames = (1, 1) if len(given.stride) == 2 else (given.stride[0], given.x.shape[-4])
    if step == 1 and not units.temporal:
        frames = 1  # each is independent
    temporal = units.depthwise
    if units.temporal:
        rest = iter(units.temporal)
        # (Not read for units without one.)
        temporal = [next(rest) if s.reach else units.depthwise[0] for s in units.shapes]
    return [
        address(given.x),
        images // frames,
        frames,
        rows,
        columns,
        channels,
        len(units.shapes),
        int(given.shared),
        *_described(units.shapes),
        given.stride[-1],
        step,
        addresses(units.depthwise),
        addresses(units.pointwise),
        addresses(temporal),
        address(given.scale),
        address(given.shift),
    ]
