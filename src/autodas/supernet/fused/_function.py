"""All candidates that read one state, computed together, with a custom backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from autodas.kernels import (
    Given,
    Maps,
    Moments,
    Slope,
    Stack,
    combine,
    dense_backward,
    dense_forward,
    gpu_form,
    joined,
    mix_backward,
    mix_forward,
    moments,
    normalisation,
    pointwise_backward,
    pointwise_forward,
    pools_backward,
    pools_forward,
    units_backward,
    units_forward,
    wide,
)
from autodas.supernet.fused._first_order import first_order
from autodas.supernet.fused._normalisation import follow, running_moments
from autodas.supernet.fused._plan import Plan, Span, Weights


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
        between = _write_maps(plan, plan.weights(parameters), x, maps, (mean, variance), constant)
        if plan.pools:
            pools_forward(x, plan.pools, plan.stride, pooled)
            if plan.pools_normalised and not constant:
                moments(pooled, mean[plan.kept :], variance[plan.kept :])
        if not constant:
            follow(plan.norms, (mean, variance), plan.norm_rows, torch.Size(shape[:-1]).numel())
        out, scale = _outputs(x, len(plan.edges), shape), torch.empty_like(mean)
        mix_forward(
            _flat(out) if isinstance(out, Tensor) else [term.view(-1, channels) for term in out],
            scale,
            plan.layout(constant),
            _terms(plan, maps, pooled, x),
            mean,
            variance,
            weights,
            before,
        )
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
        between, parameters = (rest[:2], rest[2:]) if plan.inner else ((), rest)
        pooled = _pooled_again(plan, x, maps)
        arrived = _arrived(upstream)
        slopes = mean.new_empty(3, plan.slots, x.shape[-1])
        weights_gradient = mix_backward(
            slopes,
            plan.layout(ctx.constant),
            _terms(plan, maps, pooled, x),
            arrived,
            mean,
            scale,
            weights,
            running=ctx.constant,
        )
        own = plan.weights(parameters)
        through = _Backward(plan, x, maps, pooled, own, arrived, slopes, mean, scale, between)
        wanted = any(ctx.needs_input_grad[3 + len(plan.edges) :])
        gradient, gradients = through.units(wanted, ctx.constant)
        gradient, others = through.convolutions(gradient, wanted)
        gradients += others
        through.pools(gradient)
        through.identities(gradient)
        added = [each if was else None for each, was in zip(upstream, ctx.added, strict=True)]
        return None, gradient, weights_gradient, *added, *gradients


def _write_maps(
    plan: Plan, weights: Weights, x: Tensor, maps: Tensor, all_moments: Moments, constant: bool
) -> tuple[Tensor, ...]:
    """Write the maps of convolutions; and the moments of the batch, one row for each, unless they are given.

    Returns:
        Factor and summand of the normalisation between the units of separable convolutions, if there are any.
    """

    def of(span: Span) -> Moments | None:
        return None if constant else (all_moments[0][span.maps], all_moments[1][span.maps])

    between: tuple[Tensor, ...] = ()
    if weights.first.shapes:
        given = Given(x, plan.stride)
        units_forward(given, weights.first, maps[plan.of_first.maps], of(plan.of_first))
    if plan.inner:
        between = normalisation(*(row[: plan.inner] for row in all_moments))
        again = Given(maps[: plan.inner], plan.ones, *between)
        units_forward(again, weights.second, maps[plan.of_second.maps], of(plan.of_second))
    if plan.reductions:
        reduced, own = maps[plan.of_reduced.maps], of(plan.of_reduced)
        pointwise_forward(x, weights.reduced, plan.stride, reduced)
        if own is not None:
            moments(reduced, *own)
    for span, convolutions in zip(plan.of_dense, weights.dense, strict=True):
        dense_forward(x, convolutions, maps[span.maps], of(span))
    return between


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


def _pooled_again(plan: Plan, x: Tensor, maps: Tensor) -> Tensor:
    """Return the outputs of pools, computed again unless they were kept with the other maps."""
    if len(maps) == plan.maps:
        return maps[plan.kept :]
    pooled = x.new_empty(plan.maps - plan.kept, *maps.shape[1:])
    pools_forward(x, plan.pools, plan.stride, pooled)
    return pooled


def _outputs(x: Tensor, edges: int, shape: Sequence[int]) -> Stack:
    """Return memory for the terms of edges: on GPUs, whose kernels need it, as one tensor.

    The sum of a node with a single edge is that edge's term, which stays until the backward pass: the others
    should not stay with it.
    """
    if gpu_form(x) is not None:
        return x.new_empty(edges, *shape)
    return [x.new_empty(shape) for _ in range(edges)]


def _terms(plan: Plan, maps: Tensor, pooled: Tensor, x: Tensor) -> Maps:
    """Return the map of each term, among all maps and the state."""
    one: Stack = _flat(maps)
    if len(maps) < plan.maps:
        one = [*one, *_flat(pooled)]
    return Maps(plan.index, one, _flat(x[None]))


def _flat(maps: Tensor) -> Tensor:
    """Return maps as (maps, pixels, channels)."""
    return maps.flatten(1, -2)


def _arrived(upstream: Sequence[Tensor]) -> Stack:
    """Return the incoming gradients as (pixels, channels): on GPUs, whose kernels need it, as one tensor."""
    if gpu_form(upstream[0]) is not None:
        return _flat(joined(upstream))
    return [u.contiguous().view(-1, u.shape[-1]) for u in upstream]


class _Backward(NamedTuple):
    """Backward pass of a plan, from the slopes of all terms."""

    plan: Plan
    x: Tensor
    maps: Tensor
    pooled: Tensor
    weights: Weights
    arrived: Stack
    slopes: Tensor
    mean: Tensor
    scale: Tensor
    between: Sequence[Tensor]

    def slope(self, span: Span, before: Stack = ()) -> Slope:
        """Return the slope of the maps of a span; ``before`` arrives at those that are not terms."""
        index = (*(~i for i in range(len(before))), *span.places)
        return Slope(Maps(index, self.arrived, before), *self.slopes[:, span.slots].unbind())

    def units(self, wanted: bool, constant: bool) -> tuple[Tensor | None, list[Tensor | None]]:
        """Return the gradient of the state through units, if any, and those of their weights, in order."""
        plan = self.plan
        arrived: Stack = ()
        second: list[Tensor | None] = []
        if plan.inner:
            again = Given(self.maps[: plan.inner], plan.ones, *self.between)
            out = self.maps[plan.of_second.maps]
            into = self.slope(plan.of_second)
            gradient, second = units_backward(again, self.weights.second, out, into, weights=wanted)
            arrived, layout = _flat(gradient), plan.layout_inner
            read = Maps(layout.row, _flat(self.maps))
            mix_backward(self.slopes, layout, read, arrived, self.mean, self.scale, running=constant)
        if not self.weights.first.shapes:
            return None, []
        into, out = self.slope(plan.of_first, arrived), self.maps[plan.of_first.maps]
        given = Given(self.x, plan.stride)
        gradient, first = units_backward(given, self.weights.first, out, into, weights=wanted)
        return gradient, first + second

    def convolutions(self, gradient: Tensor | None, wanted: bool) -> tuple[Tensor, list[Tensor | None]]:
        """Add the gradient through other convolutions; return it, and those of their weights, in order."""
        plan = self.plan
        gradients: list[Tensor | None] = []
        if plan.reductions:
            into, out, add = (
                self.slope(plan.of_reduced),
                self.maps[plan.of_reduced.maps],
                gradient is not None,
            )
            gradient = torch.empty_like(self.x) if gradient is None else gradient
            given = (self.x, self.weights.reduced, plan.stride, out, into, gradient)
            parts = pointwise_backward(*given, weights=wanted, add=add)
            gradients += [weight for of_parts in parts for weight in of_parts]
        for span, convolutions in zip(plan.of_dense, self.weights.dense, strict=True):
            into, out, add = self.slope(span), self.maps[span.maps], gradient is not None
            gradient = torch.empty_like(self.x) if gradient is None else gradient
            gradients += dense_backward(
                self.x, convolutions, out, into, gradient, weight_gradients=wanted, add=add
            )
        return torch.zeros_like(self.x) if gradient is None else gradient, gradients

    def pools(self, gradient: Tensor) -> None:
        """Add the gradient through pools; those of all edges are summed before passing through a pool."""
        plan = self.plan
        if not plan.pools:
            return
        total = torch.empty_like(self.pooled)
        for number, span in enumerate(plan.of_pools):
            index, (_, scale, b, d) = span.places, self.slope(span)
            shift = None
            if plan.pools_normalised:
                index, scale = (*index, ~number), torch.cat([scale, b.sum(0, keepdim=True)])
                shift = d.sum(0, keepdim=True)
            terms = Maps(index, self.arrived, _flat(self.pooled))
            combine(_flat(total[number : number + 1]), [len(index)], terms, scale, shift)
        pools_backward(self.x, plan.pools, plan.stride, total, gradient)

    def identities(self, gradient: Tensor) -> None:
        """Add the gradient through identities."""
        if span := self.plan.of_identities.places:
            scale = self.slope(self.plan.of_identities).a
            combine(_flat(gradient[None]), [len(span)], Maps(span, self.arrived), scale, add=True)
