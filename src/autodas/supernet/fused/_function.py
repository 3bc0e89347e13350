"""A relaxed cell, or all candidates that read one of its states, with a custom backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from autodas.kernels import (
    Given,
    Layout,
    Maps,
    Moments,
    Slope,
    Stack,
    combine,
    dense_backward,
    dense_forward,
    gpu_form,
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
from autodas.supernet.fused._cell_plan import CellPlan, Sums
from autodas.supernet.fused._first_order import first_order
from autodas.supernet.fused._normalisation import follow, running_moments
from autodas.supernet.fused._state_plan import Span, StatePlan, Weights


class CellFunction(torch.autograd.Function):
    r"""The sums of a plan: the nodes of a cell, or the contributions of one state to each node.

    With :math:`B` for batch normalisation and :math:`w` for the mixing weights the contribution of a state x
    to a node is

    .. math::

       \sum_o w_o B(P_o D_o(r(x))) + \sum_f w_f B(P_f r(x)) + \sum_d w_d B(C_d r(x))
       + \sum_p w_p B(p(x)) + w_s x

    over convolutions (depthwise D, over space and time the sum of two; pointwise P, r the ReLU; twice for
    separable ones), strided pointwise convolutions, dense convolutions C, pools and the identity. Normalised
    values are never computed: a term is a map times a factor plus a shift, and pools that are not normalised
    have a shift of 0. States and the outputs of pointwise and dense convolutions and pools are kept for the
    backward pass; those of the depthwise convolutions are recomputed if the gradient of the weights needs
    them.
    """

    @staticmethod
    def forward(ctx: Any, plan: CellPlan, weights: Tensor, *tensors: Tensor) -> Any:
        """Return a tensor of shape (batch, *map, channels) for each sum of the plan.

        Args:
            ctx: context of the backward pass.
            plan: the plan.
            weights: shape (edges of the cell, operations), the factors of equation 2.
            tensors: the given states, shape (batch, *map, channels), then the parameters, as returned by
                :meth:`CellPlan.parameters`.
        """
        given, parameters = tensors[: plan.inputs], tensors[plan.inputs :]
        shape, channels = Given(given[0], plan.stride).out_shape(), given[0].shape[-1]
        maps = _AllMaps(plan, given[0], shape)
        # The running moments in evaluation, those of the batch while training.
        constant = bool(plan.norms) and not plan.norms[0].training
        if constant:
            mean, variance = running_moments(plan.norms)
        else:
            mean, variance = given[0].new_empty(2, plan.maps, channels, dtype=wide(given[0].dtype)).unbind()
        run = _Pass(plan, _States(plan, given, shape), maps, mean, torch.empty_like(mean), weights, constant)
        shifts = run.forward(plan.weights(parameters), variance)
        if not constant:
            follow(plan.norms, (mean, variance), plan.norm_rows, torch.Size(shape[:-1]).numel())
        ctx.plan, ctx.constant = plan, constant
        ctx.kept = len(maps.kept)
        ctx.save_for_backward(
            weights, mean, run.scale, run.states.kept, *maps.kept, *given, *shifts, *parameters
        )
        return tuple(run.states.sums.unbind())

    @staticmethod
    @first_order
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        """Return the gradients of the mixing weights, the states and the parameters."""
        plan: CellPlan = ctx.plan
        weights, mean, scale, kept, *rest = ctx.saved_tensors
        of_maps, rest = rest[: ctx.kept], rest[ctx.kept :]
        given, rest = rest[: plan.inputs], rest[plan.inputs :]
        shifts, parameters = rest[: len(plan.states)], rest[len(plan.states) :]
        states = _States(plan, given, kept.shape[1:], kept)
        maps = _AllMaps(plan, given[0], kept.shape[1:], of_maps)
        run = _Pass(plan, states, maps, mean, scale, weights, ctx.constant)
        wanted = any(ctx.needs_input_grad[2 + plan.inputs :])
        back = _Backward(run, _flat(torch.stack(upstream)), wanted)
        gradients = back.through(plan.weights(parameters), shifts)
        of_inputs = [back.of_inputs.get(state) for state in range(plan.inputs)]
        return None, back.of_weights, *of_inputs, *gradients


class _States:
    """The states of a pass: those that are given, and the sums.

    Args:
        plan: the plan.
        given: the given states, shape (batch, *map, channels).
        shape: shape of a sum.
        kept: the attribute of that name, in the backward pass.

    Attributes:
        kept: the sums as one tensor; on GPUs after the given states, where terms read these.
        sums: the sums.
        each: all states.
        flat: those that terms may read, as (pixels, channels).
    """

    def __init__(
        self, plan: CellPlan, given: Sequence[Tensor], shape: Sequence[int], kept: Tensor | None = None
    ) -> None:
        # The kernels for GPUs read the maps of one tensor.
        together = gpu_form(given[0]) is not None
        before = plan.inputs if together else 0
        if kept is None:
            kept = given[0].new_empty(before + plan.sums, *shape)
            for state in plan.read_inputs if together else ():
                kept[state].copy_(given[state])
        self.kept, self.sums = kept, kept[before:]
        self.each = [*given, *self.sums]
        self.flat: Stack = _flat(kept) if together else [x.flatten(0, -2) for x in self.each]


class _AllMaps:
    """The maps of all states.

    Args:
        plan: the plan.
        like: a tensor of the same kind.
        shape: shape of a map.
        kept: the attribute of that name, in the backward pass.

    Attributes:
        kept: the maps as one tensor for each state, as larger ones would be returned to the system between
            passes; on GPUs, whose kernels read the maps of one tensor, as a single one.
        flat: all maps as (pixels, channels).
    """

    def __init__(
        self, plan: CellPlan, like: Tensor, shape: Sequence[int], kept: list[Tensor] | None = None
    ) -> None:
        counts, together = [own.maps for own in plan.states], gpu_form(like) is not None
        if kept is None:
            kept = [like.new_empty(count, *shape) for count in ([plan.maps] if together else counts)]
        self.kept = kept
        parts = list(torch.split(kept[0], counts)) if together else kept
        self._parts = {own.state: part for own, part in zip(plan.states, parts, strict=True)}
        self.flat: Stack = _flat(kept[0])
        if not together:
            self.flat = [each for part in parts for each in _flat(part).unbind()]

    def of(self, plan: StatePlan, numbers: slice) -> Tensor:
        """Return some maps of a state."""
        first = plan.first_map
        part: Tensor = self._parts[plan.state]
        return part[numbers.start - first : numbers.stop - first]


@dataclass
class _Pass:
    """Tensors of a pass through a plan.

    Args:
        plan: the plan.
        states: its states.
        maps: all maps.
        mean: means of all maps, or of all layers.
        scale: factors of normalisation, likewise.
        weights: mixing weights.
        constant: whether moments are the running ones.
    """

    plan: CellPlan
    states: _States
    maps: _AllMaps
    mean: Tensor
    scale: Tensor
    weights: Tensor
    constant: bool

    def terms(self, sums: Sums) -> Maps:
        """Return the map of each term."""
        return Maps(sums.index, self.maps.flat, self.states.flat)

    def layout(self, sums: Sums) -> Layout:
        """Return the layout of sums."""
        return sums.running if self.constant else sums.batch

    def inner(self, plan: StatePlan) -> slice:
        """Return the rows of the normalisation between the units of separable convolutions."""
        return plan.inner_norms if self.constant else plan.inner_maps

    def again(self, plan: StatePlan, shift: Tensor) -> Given:
        """Return the input of the second units of separable convolutions."""
        return Given(self.maps.of(plan, plan.inner_maps), plan.ones, self.scale[self.inner(plan)], shift)

    def forward(self, weights: Sequence[Weights], variance: Tensor) -> list[Tensor]:
        """Write all maps and sums.

        Args:
            weights: weights of each state's convolutions.
            variance: variances of all layers; or of all maps, which are written.

        Returns:
            For each state the summand of the normalisation between the units of separable convolutions.
        """
        shifts, own = [], iter(weights)
        for step in self.plan.steps:
            if isinstance(step, StatePlan):
                shifts.append(self.write_maps(step, next(own), variance))
                continue
            out, layout = _flat(self.states.sums[step.numbers]), self.layout(step)
            mix_forward(out, self.scale, layout, self.terms(step), self.mean, variance, self.weights)
        return shifts

    def write_maps(self, plan: StatePlan, weights: Weights, variance: Tensor) -> Tensor:
        """Write the maps of a state, and their moments unless they are given; return its summand."""
        x, pair = self.states.each[plan.state], (self.mean, variance)
        maps = partial(self.maps.of, plan)

        def of(span: Span) -> Moments | None:
            return None if self.constant else (self.mean[span.maps], variance[span.maps])

        if plan.first:
            units_forward(Given(x, plan.stride), weights.first, maps(plan.of_first.maps), of(plan.of_first))
        shift = self.mean[self.inner(plan)]
        if plan.inner:
            rows = self.inner(plan)
            shift = normalisation(self.mean[rows], variance[rows], self.scale[rows])
            again = self.again(plan, shift)
            units_forward(again, weights.second, maps(plan.of_second.maps), of(plan.of_second))
        if plan.reductions:
            reduced, own = maps(plan.of_reduced.maps), of(plan.of_reduced)
            pointwise_forward(x, weights.reduced, plan.stride, reduced)
            if own is not None:
                moments(reduced, *own)
        for span, convolutions in zip(plan.of_dense, weights.dense, strict=True):
            dense_forward(x, convolutions, maps(span.maps), of(span))
        if plan.pools:
            pools_forward(x, plan.pools, plan.stride, maps(plan.pooled))
            if plan.pools_normalised and not self.constant:
                moments(maps(plan.pooled), *(each[plan.pooled] for each in pair))
        return shift


def _flat(maps: Tensor) -> Tensor:
    """Return maps as (maps, pixels, channels)."""
    return maps.flatten(1, -2)


class _Backward:
    """Backward pass of a plan, from the last step to the first.

    Args:
        run: tensors of the pass.
        arrived: gradient of each sum, (sums, pixels, channels); what passes through its reading is added.
        wanted: whether the gradients of the convolutions' weights are computed.

    Attributes:
        of_weights: gradient of the mixing weights.
        of_inputs: gradients of the given states.
    """

    def __init__(self, run: _Pass, arrived: Tensor, wanted: bool) -> None:
        self.run, self.arrived, self.wanted = run, arrived, wanted
        self.of_weights = torch.zeros_like(run.weights)
        self.of_inputs: dict[int, Tensor] = {}
        self.slopes = run.mean.new_empty(3, run.plan.slots, arrived.shape[-1])

    def through(self, weights: Sequence[Weights], shifts: Sequence[Tensor]) -> list[Tensor | None]:
        """Pass through all steps; return the gradients of all weights of convolutions, in order."""
        run, gradients = self.run, []
        rest = list(zip(weights, shifts, strict=True))
        for step in reversed(run.plan.steps):
            if isinstance(step, StatePlan):
                gradient, own = self.state(step, *rest.pop())
                gradients.append(own)
                number = step.state - run.plan.inputs
                if number < 0:
                    self.of_inputs[step.state] = gradient
                else:
                    self.arrived[number] += gradient.flatten(0, -2)
                continue
            mix_backward(
                self.slopes,
                self.of_weights,
                run.layout(step),
                run.terms(step),
                self.arrived[step.numbers],
                run.mean,
                run.scale,
                run.weights,
                running=run.constant,
            )
        return [each for own in reversed(gradients) for each in own]

    def slope(self, span: Span, before: Stack = ()) -> Slope:
        """Return the slope of the maps of a span; ``before`` arrives at those that are not terms."""
        place = self.run.plan.place
        index = (*(~i for i in range(len(before))), *(place[term.target] for term in span.terms))
        return Slope(Maps(index, self.arrived, before), *self.slopes[:, span.slots].unbind())

    def state(self, plan: StatePlan, weights: Weights, shift: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """Return the gradient of a state, and those of the weights of its convolutions, in order."""
        x = self.run.states.each[plan.state]
        gradient, gradients = self.units(plan, x, weights, shift)
        gradients += self.convolutions(plan, x, weights, gradient)
        self.pools(plan, x, gradient)
        if terms := plan.of_identities.terms:
            index = tuple(self.run.plan.place[term.target] for term in terms)
            scale = self.slope(plan.of_identities).a
            combine(_flat(gradient[None]), [len(terms)], Maps(index, self.arrived), scale, add=True)
        return gradient, gradients

    def units(
        self, plan: StatePlan, x: Tensor, weights: Weights, shift: Tensor
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Return the gradient of a state through all units, and those of their weights."""
        run = self.run
        before: Stack = ()
        second: list[Tensor | None] = []
        if plan.inner:
            out, into = run.maps.of(plan, plan.of_second.maps), self.slope(plan.of_second)
            again = run.again(plan, shift)
            gradient, second = units_backward(again, weights.second, out, into, weights=self.wanted)
            before, rows = _flat(gradient), run.inner(plan)
            read = Maps(plan.inner_layout.row, _flat(run.maps.of(plan, plan.inner_maps)))
            mean, scale = run.mean[rows], run.scale[rows]
            mix_backward(
                self.slopes, None, plan.inner_layout, read, before, mean, scale, running=run.constant
            )
        if not plan.first:
            return torch.zeros_like(x), []
        out, into = run.maps.of(plan, plan.of_first.maps), self.slope(plan.of_first, before)
        given = Given(x, plan.stride)
        gradient, first = units_backward(given, weights.first, out, into, weights=self.wanted)
        return gradient, first + second

    def convolutions(
        self, plan: StatePlan, x: Tensor, weights: Weights, gradient: Tensor
    ) -> list[Tensor | None]:
        """Add the gradient through other convolutions; return those of their weights."""
        gradients: list[Tensor | None] = []
        maps = partial(self.run.maps.of, plan)
        if plan.reductions:
            out, into = maps(plan.of_reduced.maps), self.slope(plan.of_reduced)
            more, parts = pointwise_backward(x, weights.reduced, plan.stride, out, into, weights=self.wanted)
            gradient.add_(more)
            gradients += [weight for of_parts in parts for weight in of_parts]
        for span, convolutions in zip(plan.of_dense, weights.dense, strict=True):
            out, into = maps(span.maps), self.slope(span)
            gradients += dense_backward(x, convolutions, out, into, gradient, weight_gradients=self.wanted)
        return gradients

    def pools(self, plan: StatePlan, x: Tensor, gradient: Tensor) -> None:
        """Add the gradient through pools; those of all edges are summed before passing through a pool."""
        if not plan.pools:
            return
        pooled = self.run.maps.of(plan, plan.pooled)
        total = torch.empty_like(pooled)
        for number, span in enumerate(plan.of_pools):
            upstream, scale, b, d = self.slope(span)
            index, shift = upstream.index, None
            if plan.pools_normalised:
                index, scale = (*index, ~number), torch.cat([scale, b.sum(0, keepdim=True)])
                shift = d.sum(0, keepdim=True)
            terms = Maps(index, self.arrived, _flat(pooled))
            combine(_flat(total[number : number + 1]), [len(index)], terms, scale, shift)
        pools_backward(x, plan.pools, plan.stride, total, gradient)
