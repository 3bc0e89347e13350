"""Pointwise convolutions of a map after the ReLU, at every pixel or at every other one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._calls import address, addresses, integers, library_for, places, pointers
from autodas.kernels._slope import gradient_of
from autodas.kernels._unit import Slope


class Pointwise(NamedTuple):
    """Convolution whose outputs come from several parts of its weights.

    Args:
        weights: one tensor of shape (width, inputs, 1, ...) for each part; the parts' outputs are
            concatenated. The first part reads the pixels selected by the stride, the next one those that are
            one further along both dimensions of space; beyond the edge there are zeros.
    """

    weights: tuple[Tensor, ...]

    @property
    def width(self) -> int:
        """Number of outputs of one part."""
        return len(self.weights[0])


def pointwise_forward(
    x: Tensor, convolutions: Sequence[Pointwise], stride: Sequence[int], out: Tensor
) -> None:
    """Write convolutions of ``relu(x)``.

    Args:
        x: shape (batch, *map, inputs).
        convolutions: the convolutions; all have the same number of parts and outputs.
        stride: stride along each dimension of the map; the last two are space.
        out: the outputs, shape (convolutions, batch, *map, outputs).
    """
    if len(stride) == 3 and stride[0] > 1:
        pointwise_forward(x[:, :: stride[0]].contiguous(), convolutions, (1, *stride[1:]), out)
        return
    parts, width = len(convolutions[0].weights), convolutions[0].width
    library = library_for(x) if _compiled(convolutions, stride) else None
    if library is None:
        if parts == 1:
            features = _picked(x, 0, stride).reshape(-1, x.shape[-1])
            for g, convolution in enumerate(convolutions):
                weight = convolution.weights[0].flatten(1).to(x.dtype)
                torch.mm(features, weight.t(), out=out[g].view(-1, width))
            return
        for part in range(parts):
            features = _picked(x, part, stride)
            for g, convolution in enumerate(convolutions):
                weight = convolution.weights[part].flatten(1).to(x.dtype)
                out[g, ..., part * width : (part + 1) * width] = features @ weight.t()
        return
    library.autodas_pointwise_forward(*_arguments(x, convolutions, stride, out))


def pointwise_backward(
    x: Tensor,
    convolutions: Sequence[Pointwise],
    stride: Sequence[int],
    out: Tensor,
    slope: Slope,
    gradient: Tensor,
    *,
    weights: bool,
    add: bool = True,
) -> list[tuple[Tensor | None, ...]]:
    """Add the gradient of ``x`` to ``gradient``, in place; return those of the weights' parts.

    Args:
        x, convolutions, stride: as in the forward pass.
        out: result of :func:`pointwise_forward`.
        slope: gradient of ``out``.
        gradient: shape of ``x``.
        weights: whether to compute the gradients of the weights; otherwise they are ``None``.
        add: whether to add to ``gradient``, rather than to write it.
    """
    if len(stride) == 3 and stride[0] > 1:
        # The frames in between are not read.
        read = x[:, :: stride[0]].contiguous()
        back, within = torch.empty_like(read), (1, *stride[1:])
        gradients = pointwise_backward(
            read, convolutions, within, out, slope, back, weights=weights, add=False
        )
        if not add:
            gradient.zero_()
        gradient[:, :: stride[0]] += back
        return gradients
    parts, width = len(convolutions[0].weights), convolutions[0].width
    library = library_for(x) if _compiled(convolutions, stride) else None
    if library is None:
        back, gradients = _plain_backward(x, convolutions, stride, out, slope, weights)
        gradient.copy_(gradient + back if add else back)
        return gradients
    shape = convolutions[0].weights[0].shape
    weight_gradients = x.new_empty(parts, len(convolutions), *shape) if weights else None
    # In the kernel's order: the first parts of all convolutions, then the second parts.
    a, b, d = (s.view(-1, parts, width).transpose(0, 1).contiguous() for s in slope[1:])
    library.autodas_pointwise_backward(
        *_arguments(x, convolutions, stride, out),
        _parts(slope.upstream.addresses(), parts, width),
        address(a),
        address(b),
        address(d),
        int(add),
        address(gradient),
        address(weight_gradients),
    )
    if weight_gradients is None:
        return [(None,) * parts] * len(convolutions)
    return list(zip(*(part.unbind() for part in weight_gradients), strict=True))


def _plain_backward(
    x: Tensor,
    convolutions: Sequence[Pointwise],
    stride: Sequence[int],
    out: Tensor,
    slope: Slope,
    weights: bool,
) -> tuple[Tensor, list[tuple[Tensor | None, ...]]]:
    parts, width = len(convolutions[0].weights), convolutions[0].width
    weight_gradients: list[list[Tensor | None]] = [[None] * parts for _ in convolutions]
    with torch.enable_grad():
        source = x.detach().requires_grad_()
        picked = [_picked(source, part, stride) for part in range(parts)]
    back: list[Tensor] = []
    gradients = gradient_of(out.view(len(out), -1, parts * width), slope)
    for g, convolution in enumerate(convolutions):
        gradient = gradients[g]
        for part, weight in enumerate(convolution.weights):
            own = gradient[:, part * width : (part + 1) * width]
            through = (own @ weight.flatten(1).to(x.dtype)).view_as(picked[part])
            if g == 0:
                back.append(through)
            else:
                back[part] += through
            if weights:
                weight_gradients[g][part] = (own.t() @ picked[part].detach().flatten(0, -2)).view_as(weight)
    (gradient,) = torch.autograd.grad(picked, source, back)
    return gradient, [tuple(of_parts) for of_parts in weight_gradients]


def _picked(x: Tensor, part: int, stride: Sequence[int]) -> Tensor:
    """Return relu(x) at every stride-th pixel; for a later part, one further in space."""
    height, width = stride[-2:]
    x = x.relu()
    if part:
        x = F.pad(x, (0, 0, 0, int(width > 1), 0, int(height > 1)))
        x = x[..., int(height > 1) :, int(width > 1) :, :]
    return x[(slice(None), *(slice(None, None, step) for step in stride))]


def _compiled(convolutions: Sequence[Pointwise], stride: Sequence[int]) -> bool:
    return (
        convolutions[0].width % 2 == 0
        and set(stride[:-2]) <= {1}
        and stride[-1] == stride[-2]
        and all(w.dtype == torch.float32 for c in convolutions for w in c.weights)
    )


def _parts(maps: Sequence[int], parts: int, width: int) -> object:
    """Return the address of each part of the channels of each map in single precision."""
    return pointers([place + 4 * part * width for part in range(parts) for place in maps])


def _arguments(
    x: Tensor, convolutions: Sequence[Pointwise], stride: Sequence[int], out: Tensor
) -> list[object]:
    parts, width = len(convolutions[0].weights), convolutions[0].width
    return [
        address(x),
        math.prod(x.shape[:-3]),
        *x.shape[-3:],
        parts * len(convolutions),
        stride[-1],
        integers(tuple(part for part in range(parts) for _ in convolutions)),
        addresses([c.weights[part] for part in range(parts) for c in convolutions]),
        width,
        _parts(places(out), parts, width),
        parts * width,
    ]
