"""All candidates that read one state, computed together, with a custom backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autodas.kernels import Given, Stack, StatePass, gpu_form, joined, wide
from autodas.supernet.fused._first_order import first_order
from autodas.supernet.fused._normalisation import followed, running_moments
from autodas.supernet.fused._plan import Plan
from autodas.supernet.fused._steps import backward_in_steps, forward_in_steps


class PlanFunction(torch.autograd.Function):
    r"""Contribution of a state to each node that reads it, added to those of other states.

    With :math:`B` for batch normalisation and :math:`w` for the mixing weights it is, for each edge,

    .. math::

       \sum_o w_o B(P_o D_o(r(x))) + \sum_f w_f B(P_f r(x)) + \sum_d w_d B(C_d r(x))
       + \sum_p w_p B(p(x)) + w_s x

    over convolutions (depthwise D, over space and time the sum of two; pointwise P, r the ReLU; twice for
    separable ones), strided pointwise convolutions, dense convolutions C, pools and the identity. Normalised
    values are never computed: a term is a map times a factor plus a shift, and pools that are not normalised
    have a shift of 0. x and the outputs of pointwise and dense convolutions and of normalised pools are kept
    for the backward pass; other pools are computed again, and the outputs of depthwise convolutions if the
    gradient of the weights needs them.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, x: Tensor, weights: Tensor, *others: Any) -> Any:
        """Return a tensor of shape (batch, *map, channels) for each edge of the plan.

        Args:
            ctx: context of the backward pass.
            plan: plan of the state.
            x: the state, shape (batch, *map, channels).
            weights: shape (edges of the cell, operations), the factors of equation 2.
            others: for each edge what is added to its result, shape (batch, *map, channels), or ``None``;
                then the parameters, as returned by :meth:`Plan.parameters`.
        """
        before, parameters = others[: len(plan.edges)], others[len(plan.edges) :]
        shape, channels = Given(x, plan.stride).out_shape(), x.shape[-1]
        maps, pooled = _memory(plan, x, shape)
        # The running moments in evaluation, those of the batch while training.
        constant = bool(plan.norms) and not plan.norms[0].training
        if constant:
            mean, variance = running_moments(plan.norms)
        else:
            mean, variance = x.new_empty(2, plan.rows, channels, dtype=wide(x.dtype)).unbind()
        out, scale = _outputs(x, len(plan.edges), shape), torch.empty_like(mean)
        between = mean.new_empty(2, plan.inner, channels).unbind()
        given = StatePass(x, weights, parameters, maps, pooled, mean, between, scale)
        kernel = plan.kernel(x, parameters)
        if kernel is not None:
            running = None if constant else followed(plan.norms)
            kernel.forward(given, before, variance, running, out, constant=constant)
        else:
            forward_in_steps(plan, given, before, variance, out, constant=constant)
        ctx.added = [each is not None for each in before]
        ctx.plan, ctx.constant = plan, constant
        ctx.save_for_backward(weights, mean, scale, x, maps, *between, *parameters)
        return tuple(out)

    @staticmethod
    @first_order
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        """Return the gradients of the state, the mixing weights, what was added, and the parameters."""
        plan: Plan = ctx.plan
        weights, mean, scale, x, maps, *rest = ctx.saved_tensors
        between, parameters = rest[:2], rest[2:]
        arrived = _arrived(upstream)
        again = len(maps) < plan.maps
        pooled = x.new_empty(plan.maps - plan.kept, *maps.shape[1:]) if again else maps[plan.kept :]
        given = StatePass(x, weights, parameters, maps, pooled, mean, between, scale)
        wanted = any(ctx.needs_input_grad[3 + len(plan.edges) :])
        how = {"constant": ctx.constant, "pools_again": again, "wanted": wanted}
        kernel = plan.kernel(x, parameters)
        if kernel is not None:
            gradient, weights_gradient, gradients = kernel.backward(given, arrived, **how)
        else:
            gradient, weights_gradient, gradients = backward_in_steps(plan, given, arrived, **how)
        # What was added passes its gradient on to other states, which need not copy it again.
        added = [each if was else None for each, was in zip(arrived, ctx.added, strict=True)]
        return None, gradient, weights_gradient, *added, *gradients


def _memory(plan: Plan, x: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return memory for the maps that are kept, and for those of pools.

    Those of pools that are not normalised (NAS-Bench-201) are given back after the forward pass: they are a
    seventh of all maps, and computing them again takes a few percent of the time. The kernels for GPUs need
    all maps in one tensor.
    """
    if plan.pools_normalised or gpu_form(x) is not None:
        maps = x.new_empty(plan.maps, *shape)
        return maps, maps[plan.kept :]
    return x.new_empty(plan.kept, *shape), x.new_empty(plan.maps - plan.kept, *shape)


def _outputs(x: Tensor, edges: int, shape: Sequence[int]) -> Stack:
    """Return memory for the terms of edges: on GPUs, whose kernels need it, as one tensor.

    The sum of a node with a single edge is that edge's term, which stays until the backward pass: the others
    should not stay with it.
    """
    if gpu_form(x) is not None:
        return x.new_empty(edges, *shape)
    return [x.new_empty(shape) for _ in range(edges)]


def _arrived(upstream: Sequence[Tensor]) -> Stack:
    """Return the incoming gradients, contiguous: on GPUs, whose kernels need it, as one tensor."""
    return joined(upstream) if gpu_form(upstream[0]) is not None else [each.contiguous() for each in upstream]
