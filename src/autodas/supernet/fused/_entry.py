"""Projection of a cell's inputs: ReLU, pointwise convolution, batch normalisation, as one function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autodas.kernels import (
    Given,
    Layout,
    Maps,
    Pointwise,
    Slope,
    has_projection,
    mix_backward,
    mix_forward,
    moments,
    pointwise_backward,
    pointwise_forward,
    projection_backward,
    projection_forward,
    wide,
)
from autodas.operations import FactorizedReduce, ReLUConvNorm
from autodas.supernet.fused._first_order import first_order
from autodas.supernet.fused._normalisation import Norm, follow, followed, running_moments

ALONE = Layout(counts=(1,), row=(0,), factor=(), slot=(0,))
"""Layout of one map that is normalised."""


def enters_fused(module: nn.Module) -> bool:
    """Return whether a module has this form."""
    # Exact types: a subclass may compute something else.
    known = type(module) in (ReLUConvNorm, FactorizedReduce) and not getattr(module.norm, "affine", True)
    return known and all(weight.is_contiguous() for weight in entry_weights(module))


def entry_weights(module: nn.Module) -> list[Tensor]:
    """Return the weights of the convolution, part by part."""
    parts = ("straight", "shifted") if isinstance(module, FactorizedReduce) else ("conv",)
    return [module._modules[part]._parameters["weight"] for part in parts]  # type: ignore[union-attr,misc]


class EntryFunction(torch.autograd.Function):
    r""":math:`B(P\,r(x))`: r the ReLU, P a pointwise convolution, B batch normalisation.

    Keeps x and the output of the convolution for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, norm: Norm, stride: tuple[int, ...], x: Tensor, *weights: Tensor) -> Tensor:
        """Return a tensor of shape (batch, *map, outputs).

        Args:
            ctx: context of the backward pass.
            norm: the normalisation layer.
            stride: stride along each dimension of the map.
            x: shape (batch, *map, inputs).
            weights: weights of the convolution, part by part.
        """
        *reduced, _ = Given(x, stride).out_shape()
        out = x.new_empty(1, *reduced, sum(map(len, weights)))
        constant = not norm.training
        if constant:
            mean, variance = running_moments([norm])
        else:
            mean, variance = out.new_empty(2, 1, out.shape[-1], dtype=wide(out.dtype)).unbind()
        normalised, scale = torch.empty_like(out), torch.empty_like(mean)
        if has_projection(x, weights, stride):
            running = None if constant else followed([norm])
            given = (x, weights, stride, out, (mean, variance), running, scale, normalised)
            projection_forward(*given, constant=constant)
        else:
            pointwise_forward(x, [Pointwise(weights)], stride, out)
            flat = out.view(1, -1, out.shape[-1])
            if not constant:
                moments(out, mean, variance)
                follow([norm], (mean, variance), ALONE.row, flat.shape[1])
            mix_forward(normalised.view_as(flat), scale, ALONE, Maps((0,), flat), mean, variance)
        ctx.stride, ctx.constant = stride, constant
        ctx.save_for_backward(x, out, mean, scale, *weights)
        return normalised[0]

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """Return the gradients of the input and the weights."""
        x, out, mean, scale, *weights = ctx.saved_tensors
        wanted = any(ctx.needs_input_grad[3:])
        if has_projection(x, weights, ctx.stride):
            given = (x, weights, ctx.stride, out, mean, scale, upstream)
            gradient, own = projection_backward(*given, constant=ctx.constant, wanted=wanted)
            return None, None, gradient, *own
        arrived, flat = [upstream.contiguous().view(-1, out.shape[-1])], out.view(1, -1, out.shape[-1])
        slopes = mean.new_empty(3, *mean.shape)
        mix_backward(slopes, ALONE, Maps((0,), flat), arrived, mean, scale, running=ctx.constant)
        into, convolution = Slope(Maps((0,), arrived), *slopes.unbind()), [Pointwise(tuple(weights))]
        gradient = torch.empty_like(x)
        (own,) = pointwise_backward(
            x, convolution, ctx.stride, out, into, gradient, weights=wanted, add=False
        )
        return None, None, gradient, *own
