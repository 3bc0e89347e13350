"""ReLU, depthwise and pointwise convolution in one compiled pass, for discrete networks on CPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autodas.kernels import Given, Slope, Unit, compiled_library, units_backward, units_forward


def has_compiled_form(x: Tensor) -> bool:
    """Return whether the compiled kernels can compute with a map: on a CPU, flat, in single precision."""
    return (
        x.device.type == "cpu"
        and x.dim() == 4
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and compiled_library() is not None
    )


class UnitFunction(torch.autograd.Function):
    """The convolutions of a separable unit; it keeps x, which all edges that leave a state share."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, depthwise: Tensor, pointwise: Tensor, stride: tuple[int, ...], dilation: int
    ) -> Tensor:
        """Return a channels-last map.

        Args:
            ctx: for the backward pass.
            x: shape (batch, channels, height, width).
            depthwise: shape (channels, 1, window, window).
            pointwise: shape (channels, channels, 1, 1).
            stride: along each dimension of the map.
            dilation: distance between the taps.
        """
        given, unit = Given(_rows(x), stride), Unit(depthwise, pointwise, dilation)
        out, _, _ = units_forward(given, [unit], moments=False)
        ctx.save_for_backward(given.x, depthwise, pointwise)
        ctx.stride, ctx.dilation = stride, dilation
        return out[0].movedim(-1, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """Return the gradients of the map and the weights."""
        x, depthwise, pointwise = ctx.saved_tensors
        given, unit = Given(x, ctx.stride), Unit(depthwise, pointwise, ctx.dilation)
        arrived = _rows(upstream)
        flat = arrived.view(-1, x.shape[-1])
        zeros, ones = flat.new_zeros(1, x.shape[-1]), flat.new_ones(1, x.shape[-1])
        # No normalisation is part of it: the gradient of the outputs is what arrives, whatever they were.
        slope = Slope([flat], ones, zeros, zeros)
        weights = any(ctx.needs_input_grad[1:3])
        gradient, ((of_depthwise, of_pointwise),) = units_backward(
            given, [unit], arrived[None], slope, weights=weights
        )
        return gradient.movedim(-1, 1), of_depthwise, of_pointwise, None, None


def _rows(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous()
