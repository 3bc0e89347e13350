"""The candidates of a plan, kernel by kernel: for maps and devices that have no kernel for all of them.

``state.h`` has the same steps in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from autodas.kernels import (
    Given,
    Maps,
    Moments,
    Slope,
    Stack,
    StatePass,
    combine,
    dense_backward,
    dense_forward,
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
)
from autodas.supernet.fused._normalisation import follow
from autodas.supernet.fused._plan import Plan, Span, Weights


def forward_in_steps(
    plan: Plan,
    given: StatePass,
    before: Sequence[Tensor | None],
    variance: Tensor,
    out: Stack,
    *,
    constant: bool,
) -> None:
    """Write the contribution to each edge; arguments as in :meth:`autodas.kernels.StateKernel.forward`.

    The running moments of the layers follow those of the batch.
    """
    _write_maps(plan, given, variance, constant)
    if not constant:
        pixels = given.maps.shape[1:-1].numel()
        follow(plan.norms, (given.mean, variance), plan.norm_rows, pixels)
    mix_forward(
        _rows(out),
        given.scale,
        plan.layout(constant),
        _terms(plan, given),
        given.mean,
        variance,
        given.mixing,
        before,
    )


def backward_in_steps(
    plan: Plan,
    given: StatePass,
    upstream: Stack,
    *,
    constant: bool,
    pools_again: bool,
    wanted: bool,
) -> tuple[Tensor, Tensor | None, list[Tensor | None]]:
    """Return the gradients as :meth:`autodas.kernels.StateKernel.backward`, whose arguments these are."""
    if pools_again:
        pools_forward(given.x, plan.pools, plan.stride, given.pooled)
    arrived, slopes = _rows(upstream), given.mean.new_empty(3, plan.slots, given.x.shape[-1])
    mixing_gradient = mix_backward(
        slopes,
        plan.layout(constant),
        _terms(plan, given),
        arrived,
        given.mean,
        given.scale,
        given.mixing,
        running=constant,
    )
    through = _Backward(plan, given, plan.weights(given.parameters), arrived, slopes)
    of_units, gradients = through.units(wanted, constant)
    gradient, others = through.convolutions(of_units, wanted)
    through.pools(gradient)
    through.identities(gradient)
    return gradient, mixing_gradient, gradients + others


def _write_maps(plan: Plan, given: StatePass, variance: Tensor, constant: bool) -> None:
    """Write all maps, the normalisation between units, and the moments of the batch unless they are given."""
    x, maps, weights = given.x, given.maps, plan.weights(given.parameters)
    all_moments = given.mean, variance

    def of(span: Span) -> Moments | None:
        return None if constant else (given.mean[span.maps], variance[span.maps])

    if weights.first.shapes:
        read = Given(x, plan.stride)
        units_forward(read, weights.first, maps[plan.of_first.maps], of(plan.of_first))
    if plan.inner:
        normalisation(*(row[: plan.inner] for row in all_moments), *given.between)
        again = Given(maps[: plan.inner], plan.ones, *given.between)
        units_forward(again, weights.second, maps[plan.of_second.maps], of(plan.of_second))
    if plan.reductions:
        reduced, own = maps[plan.of_reduced.maps], of(plan.of_reduced)
        pointwise_forward(x, weights.reduced, plan.stride, reduced)
        if own is not None:
            moments(reduced, *own)
    for span, convolutions in zip(plan.of_dense, weights.dense, strict=True):
        dense_forward(x, convolutions, maps[span.maps], of(span))
    if plan.pools:
        pools_forward(x, plan.pools, plan.stride, given.pooled)
        if plan.pools_normalised and not constant:
            moments(given.pooled, *(row[plan.kept :] for row in all_moments))


def _terms(plan: Plan, given: StatePass) -> Maps:
    """Return the map of each term, among all maps and the state."""
    one: Stack = _flat(given.maps)
    if len(given.maps) < plan.maps:
        one = [*one, *_flat(given.pooled)]
    return Maps(plan.index, one, _flat(given.x[None]))


def _flat(maps: Tensor) -> Tensor:
    """Return maps as (maps, pixels, channels)."""
    return maps.flatten(1, -2)


def _rows(stack: Stack) -> Stack:
    """Return each map of a stack as (pixels, channels)."""
    return _flat(stack) if isinstance(stack, Tensor) else [each.view(-1, each.shape[-1]) for each in stack]


class _Backward(NamedTuple):
    """Backward pass of a plan, from the slopes of all terms."""

    plan: Plan
    given: StatePass
    weights: Weights
    arrived: Stack
    slopes: Tensor

    def slope(self, span: Span, before: Stack = ()) -> Slope:
        """Return the slope of the maps of a span; ``before`` arrives at those that are not terms."""
        index = (*(~i for i in range(len(before))), *span.places)
        return Slope(Maps(index, self.arrived, before), *self.slopes[:, span.slots].unbind())

    def units(self, wanted: bool, constant: bool) -> tuple[Tensor | None, list[Tensor | None]]:
        """Return the gradient of the state through units, if any, and those of their weights, in order."""
        plan, own = self.plan, self.given
        arrived: Stack = ()
        second: list[Tensor | None] = []
        if plan.inner:
            again = Given(own.maps[: plan.inner], plan.ones, *own.between)
            out = own.maps[plan.of_second.maps]
            into = self.slope(plan.of_second)
            gradient, second = units_backward(again, self.weights.second, out, into, weights=wanted)
            arrived, layout = _flat(gradient), plan.layout_inner
            read = Maps(layout.row, _flat(own.maps))
            mix_backward(self.slopes, layout, read, arrived, own.mean, own.scale, running=constant)
        if not self.weights.first.shapes:
            return None, []
        into, out = self.slope(plan.of_first, arrived), own.maps[plan.of_first.maps]
        read_together = Given(own.x, plan.stride)
        gradient, first = units_backward(read_together, self.weights.first, out, into, weights=wanted)
        return gradient, first + second

    def convolutions(self, gradient: Tensor | None, wanted: bool) -> tuple[Tensor, list[Tensor | None]]:
        """Add the gradient through other convolutions; return it, and those of their weights, in order."""
        plan, x, maps = self.plan, self.given.x, self.given.maps
        gradients: list[Tensor | None] = []
        if plan.reductions:
            into, out, add = self.slope(plan.of_reduced), maps[plan.of_reduced.maps], gradient is not None
            gradient = torch.empty_like(x) if gradient is None else gradient
            given = (x, self.weights.reduced, plan.stride, out, into, gradient)
            parts = pointwise_backward(*given, weights=wanted, add=add)
            gradients += [weight for of_parts in parts for weight in of_parts]
        for span, convolutions in zip(plan.of_dense, self.weights.dense, strict=True):
            into, out, add = self.slope(span), maps[span.maps], gradient is not None
            gradient = torch.empty_like(x) if gradient is None else gradient
            gradients += dense_backward(
                x, convolutions, out, into, gradient, weight_gradients=wanted, add=add
            )
        return torch.zeros_like(x) if gradient is None else gradient, gradients

    def pools(self, gradient: Tensor) -> None:
        """Add the gradient through pools; those of all edges are summed before passing through a pool."""
        plan, pooled = self.plan, self.given.pooled
        if not plan.pools:
            return
        total = torch.empty_like(pooled)
        for number, span in enumerate(plan.of_pools):
            index, (_, scale, b, d) = span.places, self.slope(span)
            shift = None
            if plan.pools_normalised:
                index, scale = (*index, ~number), torch.cat([scale, b.sum(0, keepdim=True)])
                shift = d.sum(0, keepdim=True)
            terms = Maps(index, self.arrived, _flat(pooled))
            combine(_flat(total[number : number + 1]), [len(index)], terms, scale, shift)
        pools_backward(self.given.x, plan.pools, plan.stride, total, gradient)

    def identities(self, gradient: Tensor) -> None:
        """Add the gradient through identities."""
        if span := self.plan.of_identities.places:
            scale = self.slope(self.plan.of_identities).a
            combine(_flat(gradient[None]), [len(span)], Maps(span, self.arrived), scale, add=True)
