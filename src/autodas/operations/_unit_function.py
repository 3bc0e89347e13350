"""ReLU, depthwise and pointwise convolution as one function, for discrete networks in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autodas.kernels import (
    Given,
    Maps,
    Slope,
    Units,
    UnitShape,
    compiled_library,
    gpu_kernels,
    units_backward,
    units_forward,
)


def has_compiled_form(x: Tensor) -> bool:
    """Return whether our own kernels support a map, in single precision: compiled on CPUs, Triton's on GPUs.

    In bf16 libraries for GPUs are said to have fast convolutions of their own.
    """
    # A tracer passes something other than a tensor.
    if not isinstance(x, Tensor) or x.dtype != torch.float32:
        return False
    kind = x.device.type
    if kind not in ("cpu", "cuda") or torch.is_autocast_enabled(kind):
        return False
    return (compiled_library() if kind == "cpu" else gpu_kernels(x.device).module) is not None


class UnitFunction(torch.autograd.Function):
    """Convolutions of a separable unit; keeps x, which is shared by all edges that read a state."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: tuple[int, ...], dilation: int, *weights: Tensor) -> Tensor:
        """Return a channels-last map.

        Args:
            ctx: context of the backward pass.
            x: shape (batch, channels, *map).
            stride: stride along each dimension of the map.
            dilation: distance between the taps.
            weights: depthwise, pointwise and, if there is one, temporal weights, in torch's layout.
        """
        given = Given(_rows(x), stride)
        out = given.x.new_empty(1, *given.out_shape())
        units_forward(given, _unit(weights, dilation), out)
        ctx.save_for_backward(given.x, *weights)
        ctx.stride, ctx.dilation = stride, dilation
        return out[0].movedim(-1, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """Return the gradients of the map and the weights."""
        x, *weights = ctx.saved_tensors
        arrived = _rows(upstream)
        flat = arrived.view(-1, x.shape[-1])
        zeros, ones = flat.new_zeros(1, x.shape[-1]), flat.new_ones(1, x.shape[-1])
        # No normalisation is included: the gradient of the outputs is the incoming one, whatever they were.
        slope = Slope(Maps((0,), [flat]), ones, zeros, zeros)
        wanted = any(ctx.needs_input_grad[3:])
        gradient, gradients = units_backward(
            Given(x, ctx.stride), _unit(weights, ctx.dilation), arrived[None], slope, weights=wanted
        )
        return gradient.movedim(-1, 1), None, None, *gradients


def _unit(weights: Sequence[Tensor], dilation: int) -> Units:
    depthwise, pointwise, *temporal = weights
    reach = temporal[0].shape[2] if temporal else 0
    shape = UnitShape(tuple(depthwise.shape[2:]), dilation, reach)
    return Units((shape,), [depthwise], [pointwise], temporal)


def _rows(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous()
