"""Depthwise convolutions of many candidates over the same map, or each over its own."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._norms import address, library_for

COMPILED = {((3, 3), 1), ((5, 5), 1), ((7, 7), 1), ((3, 3), 2), ((5, 5), 2)}
"""Windows and dilations that have a compiled form."""


class Stencil(NamedTuple):
    """One depthwise convolution.

    Args:
        weight: shape (channels, 1, *window), as torch keeps it.
        dilation: distance between the taps of windows wider than 1.
    """

    weight: Tensor
    dilation: int

    @property
    def window(self) -> tuple[int, ...]:
        """The window along each dimension."""
        return tuple(self.weight.shape[2:])

    def spread(self) -> tuple[int, ...]:
        """Return the dilation along each dimension."""
        return tuple(self.dilation if k > 1 else 1 for k in self.window)

    def padding(self) -> tuple[int, ...]:
        """Return the padding that keeps the size of a map."""
        return tuple(d * (k // 2) for k, d in zip(self.window, self.spread(), strict=True))


def stencils_forward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """Return each stencil applied to ``relu(scale * x + shift)``.

    Args:
        x: channels last: shape (batch, *map, channels), which all stencils read; or with one more
            dimension in front, one map for each stencil.
        stencils: what is computed.
        stride: along each dimension of the map.
        scale, shift: for each channel (and stencil, where each has a map of its own); ``None`` for 1, 0.

    Returns:
        Shape (stencils, batch, *map, channels).
    """
    shared = x.dim() == len(stride) + 2
    size = x.shape[-len(stride) - 1 : -1]
    out_size = [-(-length // step) for length, step in zip(size, stride, strict=True)]
    batch, channels = x.shape[-len(stride) - 2], x.shape[-1]
    if _compiled(x, stencils, stride):
        out = x.new_empty(len(stencils), batch, *out_size, channels)
        library = library_for(x)
        assert library is not None
        library.autodas_stencils_forward(
            *_arguments(x, stencils, stride, shared, scale, shift), _pointers(out.unbind())
        )
        return out
    outputs = []
    for g, stencil in enumerate(stencils):
        source = _activated(x, g, shared, scale, shift)
        outputs.append(_last(_convolve(_first(source), stencil, stride)))
    return torch.stack(outputs)


def stencils_backward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    upstream: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    *,
    input_gradient: bool = True,
    weight_gradient: bool = True,
) -> tuple[Tensor | None, list[Tensor | None]]:
    """Return the gradients of :func:`stencils_forward`.

    The gradient of the input is that of the argument of the ReLU, ``scale * x + shift``.

    Args:
        x, stencils, stride, scale, shift: as they were.
        upstream: gradient of the output.
        input_gradient, weight_gradient: what is wanted; the other is ``None``.
    """
    shared = x.dim() == len(stride) + 2
    if _compiled(x, stencils, stride):
        library = library_for(x)
        assert library is not None
        gradient = torch.empty_like(x) if input_gradient else None
        weights: list[Tensor | None] = [None] * len(stencils)
        if weight_gradient:
            weights = [torch.empty_like(s.weight) for s in stencils]
        library.autodas_stencils_backward(
            *_arguments(x, stencils, stride, shared, scale, shift),
            _pointers(upstream.contiguous().unbind()),
            address(gradient),
            _pointers([w for w in weights if w is not None]) if weight_gradient else None,
        )
        return gradient, weights
    return _plain_backward(
        x, stencils, stride, upstream, scale, shift, shared, input_gradient, weight_gradient
    )


def _plain_backward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    upstream: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    shared: bool,
    input_gradient: bool,
    weight_gradient: bool,
) -> tuple[Tensor | None, list[Tensor | None]]:
    inputs, weights = [], []
    for g, stencil in enumerate(stencils):
        source = _activated(x, g, shared, scale, shift)
        dx, dw, _ = torch.ops.aten.convolution_backward(
            _first(upstream[g]),
            _first(source),
            stencil.weight,
            None,
            list(stride),
            list(stencil.padding()),
            list(stencil.spread()),
            False,
            [0] * len(stride),
            x.shape[-1],
            [input_gradient, weight_gradient, False],
        )
        weights.append(dw)
        if input_gradient:
            inputs.append(_last(dx))
    if not input_gradient:
        return None, weights
    if shared:
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total * (_activated(x, 0, shared, scale, shift) > 0), weights
    positive = [_activated(x, g, shared, scale, shift) > 0 for g in range(len(stencils))]
    return torch.stack([dx * p for dx, p in zip(inputs, positive, strict=True)]), weights


def _activated(x: Tensor, g: int, shared: bool, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    source = x if shared else x[g]
    if scale is not None and shift is not None:
        source = source * (scale if shared else scale[g]) + (shift if shared else shift[g])
    return source.relu()


def _convolve(x: Tensor, stencil: Stencil, stride: Sequence[int]) -> Tensor:
    convolution = {2: F.conv2d, 3: F.conv3d}[len(stride)]
    return convolution(
        x, stencil.weight, None, stride, stencil.padding(), stencil.spread(), groups=x.shape[1]
    )


def _first(x: Tensor) -> Tensor:
    """Return a channels-last map in the order of torch's dimensions; nothing is copied."""
    return x.movedim(-1, 1)


def _last(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous()


def _compiled(x: Tensor, stencils: Sequence[Stencil], stride: Sequence[int]) -> bool:
    return (
        len(stride) == 2
        and stride[0] == stride[1]
        and all((s.window, s.dilation) in COMPILED and s.weight.dtype == torch.float32 for s in stencils)
        and library_for(x) is not None
    )


def _arguments(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    shared: bool,
    scale: Tensor | None,
    shift: Tensor | None,
) -> list[object]:
    count = len(stencils)
    batch, rows, columns, channels = x.shape[-4:]
    numbers = ctypes.c_int * count
    return [
        address(x),
        batch,
        rows,
        columns,
        channels,
        count,
        int(shared),
        numbers(*(s.window[0] for s in stencils)),
        numbers(*(s.dilation for s in stencils)),
        stride[0],
        _pointers([s.weight for s in stencils]),
        address(scale),
        address(shift),
        1,
    ]


def _pointers(tensors: Sequence[Tensor]) -> object:
    return (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))
