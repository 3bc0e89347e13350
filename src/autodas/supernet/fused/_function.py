"""All candidates that read one state, computed together, with a custom backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from autodas.kernels import (
    Given,
    Slope,
    combine,
    dense_backward,
    dense_forward,
    gradient_sums,
    moments,
    pointwise_backward,
    pointwise_forward,
    pools_backward,
    pools_forward,
    units_backward,
    units_forward,
)
from autodas.supernet.fused._first_order import first_order
from autodas.supernet.fused._normalisation import (
    Moments,
    follow,
    inverse_deviation,
    running_moments,
    slope,
)
from autodas.supernet.fused._plan import DENSE, FIRST, POOLED, REDUCED, SECOND, STATE, Plan, Term


class PlanFunction(torch.autograd.Function):
    r"""Contribution of a state to each node that reads it.

    With :math:`B` for batch normalisation and :math:`w` for the mixing weights it is, for each edge,

    .. math::

       \sum_o w_o B(P_o D_o(r(x))) + \sum_f w_f B(P_f r(x)) + \sum_d w_d B(C_d r(x))
       + \sum_p w_p B(p(x)) + w_s x

    over convolutions (depthwise D, over space and time the sum of two; pointwise P, r the ReLU; twice for
    separable ones), strided pointwise convolutions, dense convolutions C, pools and the identity. Normalised
    values are never computed: a term is a map times a factor plus a shift, and pools that are not normalised
    have a shift of 0. x and the outputs of pointwise and dense convolutions and pools are kept for the
    backward pass; those of the depthwise convolutions are recomputed if the gradient of the weights needs
    them.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, x: Tensor, weights: Tensor, *parameters: Tensor) -> Any:
        """Return a tensor of shape (batch, *map, channels) for each edge of the plan.

        Args:
            ctx: context of the backward pass.
            plan: plan of the state.
            x: the state, shape (batch, *map, channels).
            weights: shape (edges of the cell, operations), the factors of equation 2.
            parameters: as returned by :meth:`Plan.parameters`.
        """
        norms, tables = plan.norms(), plan.tables(x.device)
        # The running moments in evaluation, those of the batch while training.
        constant = bool(norms) and not norms[0].training
        running = running_moments(norms) if constant else None
        maps, (mean, variance) = _maps(plan, x, parameters, running)
        shape = Given(x, plan.stride).out_shape()
        if not constant:
            follow(norms, (mean, variance), torch.Size(shape[:-1]).numel())
        scale = inverse_deviation(variance)
        # The last row is for terms that are not normalised.
        mean = torch.cat([mean, mean.new_zeros(1, x.shape[-1])])
        scale = torch.cat([scale, scale.new_ones(1, x.shape[-1])])
        factors = weights[tables.edge, tables.column][:, None] * scale[tables.row]
        shift = factors.new_zeros(len(plan.edges), shape[-1])
        shift.index_add_(0, tables.place, -factors * mean[tables.row])
        out = x.new_empty(len(plan.edges), *shape)
        flat = out.view(len(plan.edges), -1, shape[-1])
        combine(flat, plan.counts(), [maps.flat(term) for term in plan.terms], factors, shift)
        ctx.plan, ctx.constant = plan, constant
        ctx.save_for_backward(weights, mean, scale, *maps[:4], *maps.dense, *maps.pooled, *parameters)
        return tuple(out.unbind())

    @staticmethod
    @first_order
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        """Return the gradients of the state, the mixing weights and the parameters."""
        plan: Plan = ctx.plan
        weights, mean, scale, x, first, second, reduced, *rest = ctx.saved_tensors
        dense, pooled, parameters = _split(rest, len(plan.dense), len(plan.pools))
        maps = _Maps(x, first, second, reduced, dense, pooled)
        wanted = any(ctx.needs_input_grad[3:])
        tables = plan.tables(weights.device)
        arrived = [u.contiguous().view(-1, u.shape[-1]) for u in upstream]
        of_terms = [arrived[term.place] for term in plan.terms]
        # Gradients of the mixing weights and of the maps.
        means, scales = mean[tables.row], scale[tables.row]
        sums = gradient_sums([maps.flat(t) for t in plan.terms], of_terms, scales, -scales * means)
        index = (tables.edge, tables.column)
        weights_gradient = torch.zeros_like(weights).index_put_(index, sums[1].sum(1))
        through = tables.normalised * (not ctx.constant)
        whole = slope(of_terms, weights[index][:, None], means, scales, sums, through)

        def of_origin(origin: int, number: int = 0) -> Slope:
            places, rows = tables.of_origin.get((origin, number), ([], None))
            chosen = (s[:0] if rows is None else s[rows] for s in whole[1:])
            return Slope([of_terms[i] for i in places], *chosen)

        gradient, gradients = _through_units(
            plan, maps, parameters, (mean, scale), of_origin, wanted, ctx.constant
        )
        if plan.reductions:
            convolutions, into = plan.reduced(parameters), of_origin(REDUCED)
            more, parts = pointwise_backward(x, convolutions, plan.stride, reduced, into, weights=wanted)
            gradient.add_(more)
            gradients += [weight for of_parts in parts for weight in of_parts]
        stacks = zip(plan.stacked(parameters), maps.dense, strict=True)
        for number, (convs, out) in enumerate(stacks):
            into = of_origin(DENSE, number)
            gradients += dense_backward(x, convs, out, into, gradient, weight_gradients=wanted)
        _through_pools(plan, maps, of_origin, gradient)
        if plan.identities:
            into = of_origin(STATE)
            combine(gradient.view(1, -1, gradient.shape[-1]), [len(into.a)], into.upstream, into.a, add=True)
        return None, gradient, weights_gradient, *gradients


class _Maps(NamedTuple):
    """Maps of the terms, by origin; an origin that does not occur has an empty tensor."""

    x: Tensor
    first: Tensor
    second: Tensor
    reduced: Tensor
    dense: Sequence[Tensor]
    pooled: Sequence[Tensor]

    def flat(self, term: Term) -> Tensor:
        """Return a term's map, shape (pixels, channels)."""
        stacks: dict[int, Any] = {
            FIRST: self.first,
            SECOND: self.second,
            REDUCED: self.reduced,
            DENSE: [out for stack in self.dense for out in stack],
            POOLED: self.pooled,
        }
        whole: Tensor = self.x if term.origin == STATE else stacks[term.origin][term.number]
        return whole.view(-1, self.x.shape[-1])


def _maps(
    plan: Plan, x: Tensor, parameters: Sequence[Tensor], running: Moments | None
) -> tuple[_Maps, Moments]:
    """Return all maps, and the moments that normalise them: the given ones, or those of the batch."""
    first, second, reduced, dense, pooled = x.new_empty(0), x.new_empty(0), x.new_empty(0), [], []
    collected: list[Moments] = []
    inner, batch = len(plan.separable), running is None
    if inner or plan.dilated:
        first, *pair = units_forward(Given(x, plan.stride), plan.first(parameters), moments=batch)
        collected.append((pair[0], pair[1]))
    if inner:
        mean, variance = collected[0] if running is None else running
        again = _again(plan, first, mean, inverse_deviation(variance))
        second, *pair = units_forward(again, plan.second(parameters), moments=batch)
        collected.append((pair[0], pair[1]))
    if plan.reductions:
        reduced = pointwise_forward(x, plan.reduced(parameters), plan.stride)
    of_dense: list[Moments] = []
    for convolutions in plan.stacked(parameters):
        out, *pair = dense_forward(x, convolutions, moments=batch)
        dense.append(out)
        of_dense.append((pair[0], pair[1]))
    if plan.pools:
        pooled = pools_forward(x, list(plan.pools), plan.stride)
    maps = _Maps(x, first, second, reduced, dense, pooled)
    if running is not None:
        return maps, running
    collected += [(mean[None], variance[None]) for mean, variance in map(moments, reduced)]
    collected += of_dense
    for pool, candidates in zip(pooled, plan.pools.values(), strict=True):
        normalised = sum(hasattr(candidate, "norm") for _, _, candidate in candidates)
        if normalised:
            mean, variance = moments(pool)
            collected.append((mean.expand(normalised, -1), variance.expand(normalised, -1)))
    if not collected:
        nothing = x.new_empty(0, x.shape[-1], dtype=torch.promote_types(x.dtype, torch.float32))
        return maps, (nothing, nothing)
    means, variances = zip(*collected, strict=True)
    return maps, (torch.cat(means), torch.cat(variances))


def _again(plan: Plan, first: Tensor, mean: Tensor, scale: Tensor) -> Given:
    """Return the input of the second units of separable convolutions: the first ones' outputs, normalised."""
    inner = len(plan.separable)
    return Given(first[:inner], plan.ones, scale[:inner], -mean[:inner] * scale[:inner])


def _through_units(
    plan: Plan,
    maps: _Maps,
    parameters: Sequence[Tensor],
    normalisation: tuple[Tensor, Tensor],
    of_origin: Callable[[int], Slope],
    wanted: bool,
    constant: bool,
) -> tuple[Tensor, list[Tensor | None]]:
    """Return the gradient of the state through all units, and those of their weights, in order."""
    inner, channels = len(plan.separable), maps.x.shape[-1]
    into_first = of_origin(FIRST)
    second: list[tuple[Tensor | None, ...]] = []
    if inner:
        mean, scale = (row[:inner] for row in normalisation)
        again = _again(plan, maps.first, mean, scale)
        assert again.scale is not None
        assert again.shift is not None
        between, second = units_backward(
            again, plan.second(parameters), maps.second, of_origin(SECOND), weights=wanted
        )
        arrived = list(between.view(inner, -1, channels).unbind())
        flat = list(maps.first[:inner].view(inner, -1, channels).unbind())
        sums = gradient_sums(flat, arrived, again.scale, again.shift)
        own = slope(arrived, 1.0, mean, scale, sums, not constant)
        into_first = Slope(
            [*arrived, *into_first.upstream],
            *(torch.cat(pair) for pair in zip(own[1:], into_first[1:], strict=True)),
        )
    if not into_first.upstream:
        return torch.zeros_like(maps.x), []
    given = Given(maps.x, plan.stride)
    gradient, first = units_backward(given, plan.first(parameters), maps.first, into_first, weights=wanted)
    gradients: list[Tensor | None] = []
    for g, of_unit in enumerate(first):
        gradients += of_unit
        if g < inner:
            gradients += second[g]
    return gradient, gradients


def _through_pools(plan: Plan, maps: _Maps, of_origin: Callable[[int, int], Slope], gradient: Tensor) -> None:
    """Add the gradient through the pools; those of all edges are summed before passing through a pool."""
    if not plan.pools:
        return
    reached = []
    for number, (pool, candidates) in enumerate(zip(maps.pooled, plan.pools.values(), strict=True)):
        into, flat = of_origin(POOLED, number), pool.view(-1, pool.shape[-1])
        total = torch.empty_like(pool)
        terms, scale, shift = into.upstream, into.a, None
        if any(hasattr(candidate, "norm") for _, _, candidate in candidates):
            terms, scale = [*terms, flat], torch.cat([scale, into.b.sum(0, keepdim=True)])
            shift = into.d.sum(0, keepdim=True)
        combine(total.view(1, *flat.shape), [len(terms)], terms, scale, shift)
        reached.append(total)
    pools_backward(maps.x, list(plan.pools), plan.stride, reached, gradient)


def _split(tensors: Sequence[Tensor], *sizes: int) -> list[Sequence[Tensor]]:
    """Return parts of the given sizes, and the rest."""
    parts, first = [], 0
    for size in sizes:
        parts.append(tensors[first : first + size])
        first += size
    return [*parts, tensors[first:]]
