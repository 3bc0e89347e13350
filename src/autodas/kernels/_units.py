"""Units of ReLU, depthwise convolution and pointwise convolution, many over one map or each over its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType

import torch
from torch import Tensor
from torch._utils import _unflatten_dense_tensors

from autodas.kernels._calls import address, addresses, integers, library_for, pointers
from autodas.kernels._clips import stencils_backward, stencils_forward
from autodas.kernels._gpu import gpu_form
from autodas.kernels._maps import Moments
from autodas.kernels._slope import gradient_of
from autodas.kernels._stencil import Stencil
from autodas.kernels._sums import moments as moments_of
from autodas.kernels._unit import Given, Slope, Units, UnitShape

COMPILED = {(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)}
"""Windows and dilations that have a compiled form, in planes, with stride 1 or 2."""


def units_forward(given: Given, units: Units, out: Tensor, moments: Moments | None = None) -> None:
    """Write the outputs of units, and their moments.

    Args:
        given: input of the units.
        units: the units.
        out: the outputs, shape (units, batch, *map, channels).
        moments: mean and variance of each unit's output, likewise written; ``None`` if they are not needed.
    """
    library = library_for(given.x) if _compiled(given, units) else None
    accelerated = _accelerated(given, units)
    if accelerated is not None:
        accelerated.units_forward(*_of_planes(given, units), out.flatten(1, -4), moments)
        return
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
    accelerated = _accelerated(given, units)
    if accelerated is not None:
        arguments = (*_of_planes(given, units), out.flatten(1, -4), slope)
        gradient, own = accelerated.units_backward(*arguments, weights=weights)
        return gradient.view_as(given.x), [
            w if w is None else w.view_as(like) for w, like in zip(own, units.weights, strict=True)
        ]
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
    gradient = gradient_of(flat, slope)
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
        and have_loops(units.shapes)
        and units.depthwise[0].dtype == torch.float32
    )


MOST_CHANNELS = 64
"""Channels that a program for GPUs holds at once."""


def _accelerated(given: Given, units: Units) -> ModuleType | None:
    """Return the kernels for GPUs if they support these units: in planes, each of which is read."""
    fits = (
        given.x.shape[-1] <= MOST_CHANNELS
        and given.stride[-1] == given.stride[-2] in (1, 2)
        and set(given.stride[:-2]) <= {1}
        and _are_square(units.shapes)
        and units.depthwise[0].dtype == torch.float32
    )
    return gpu_form(given.x) if fits else None


@lru_cache(maxsize=4096)
def _are_square(shapes: tuple[UnitShape, ...]) -> bool:
    return all(
        window[-1] == window[-2] and window[-1] % 2 == 1 and set(window[:-2]) <= {1} and reach == 0
        for window, _, reach in shapes
    )


def _of_planes(given: Given, units: Units) -> tuple[Given, Units]:
    """Return input and units of images; the frames of clips are images."""
    if len(given.stride) == 2:
        return given, units
    shapes = tuple(shape._replace(window=shape.window[1:]) for shape in units.shapes)
    weights = ([weight.squeeze(2) for weight in part] for part in (units.depthwise, units.pointwise))
    return given._replace(x=given.x.flatten(-5, -4), stride=given.stride[1:]), Units(shapes, *weights)


@lru_cache(maxsize=4096)
def have_loops(shapes: tuple[UnitShape, ...]) -> bool:
    """Return whether all units have a compiled form."""
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
