"""Projection of a cell's inputs: ReLU, pointwise convolution, batch normalisation, as one function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autodas.kernels import (
    Pointwise,
    combine,
    gradient_sums,
    moments,
    pointwise_backward,
    pointwise_forward,
)
from autodas.operations import FactorizedReduce, ReLUConvNorm
from autodas.supernet.fused._first_order import first_order
from autodas.supernet.fused._normalisation import (
    Norm,
    follow,
    inverse_deviation,
    running_moments,
    slope,
)


def enters_fused(module: nn.Module) -> bool:
    """Return whether a module has this form."""
    # Exact types: a subclass may compute something else.
    known = type(module) in (ReLUConvNorm, FactorizedReduce) and not getattr(module.norm, "affine", True)
    return known and all(weight.is_contiguous() for weight in entry_weights(module))


def entry_weights(module: nn.Module) -> list[Tensor]:
    """Return the weights of the convolution, part by part."""
    parts = ("straight", "shifted") if isinstance(module, FactorizedReduce) else ("conv",)
    return [module.get_parameter(f"{part}.weight") for part in parts]


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
        out = pointwise_forward(x, [Pointwise(weights)], stride)
        constant = not norm.training
        if constant:
            mean, variance = running_moments([norm])
        else:
            mean, variance = (m[None] for m in moments(out[0]))
            follow([norm], (mean, variance), out[0, ..., 0].numel())
        scale = inverse_deviation(variance)
        flat = out.view(1, -1, out.shape[-1])
        normalised = torch.empty_like(out)
        combine(normalised.view_as(flat), [1], [flat[0]], scale, -mean * scale)
        ctx.stride, ctx.constant = stride, constant
        ctx.save_for_backward(x, out, mean, scale, *weights)
        return normalised[0]

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """Return the gradients of the input and the weights."""
        x, out, mean, scale, *weights = ctx.saved_tensors
        arrived = [upstream.contiguous().view(-1, out.shape[-1])]
        sums = gradient_sums([out.view_as(arrived[0])], arrived, scale, -mean * scale)
        into = slope(arrived, 1.0, mean, scale, sums, not ctx.constant)
        wanted = any(ctx.needs_input_grad[3:])
        gradient, parts = pointwise_backward(
            x, [Pointwise(tuple(weights))], ctx.stride, out, into, weights=wanted
        )
        return None, None, gradient, *parts[0]
