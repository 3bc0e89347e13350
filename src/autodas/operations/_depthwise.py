"""ReLU and depthwise convolution in one compiled pass, for the training of discrete networks on CPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autodas.kernels import Stencil, compiled_library, stencils_backward, stencils_forward


def has_compiled_form(x: Tensor) -> bool:
    """Return whether the compiled kernels can compute with a map: on a CPU, flat, in single precision."""
    return (
        x.device.type == "cpu"
        and x.dim() == 4
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and compiled_library() is not None
    )


class ReLUDepthwise(torch.autograd.Function):
    """The depthwise convolution of ``relu(x)``; it keeps x, which all edges that leave a state share."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, ...], dilation: int) -> Tensor:
        """Return a channels-last map.

        Args:
            ctx: for the backward pass.
            x: shape (batch, channels, height, width).
            weight: shape (channels, 1, window, window).
            stride: along each dimension of the map.
            dilation: distance between the taps.
        """
        rows = x.movedim(1, -1).contiguous()
        ctx.save_for_backward(rows, weight)
        ctx.stride, ctx.dilation = stride, dilation
        return stencils_forward(rows, [Stencil(weight, dilation)], stride)[0].movedim(-1, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """Return the gradients of the map and the weight."""
        rows, weight = ctx.saved_tensors
        gradient, (weight_gradient,) = stencils_backward(
            rows,
            [Stencil(weight, ctx.dilation)],
            ctx.stride,
            upstream.movedim(1, -1).contiguous()[None],
            input_gradient=ctx.needs_input_grad[0],
            weight_gradient=ctx.needs_input_grad[1],
        )
        return None if gradient is None else gradient.movedim(-1, 1), weight_gradient, None, None
