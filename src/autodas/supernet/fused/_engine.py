"""The fused engine: the same sums as the reference, without redundant work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from autodas.kernels import rehearsed_precision
from autodas.spaces import Alive
from autodas.supernet._cell import SupernetCell
from autodas.supernet._mixture import CellMixture
from autodas.supernet._noise import EdgeMasks, draw_masks
from autodas.supernet.fused._channels import channel_terms, reduces_channels
from autodas.supernet.fused._entry import EntryFunction, enters_fused, entry_weights
from autodas.supernet.fused._function import PlanFunction
from autodas.supernet.fused._plan import Plan

MOST_PLANS = 64
"""Maximum number of masks for which a cell caches plans: methods that sample may never repeat one."""


class FusedEngine:
    """Fused engine, which computes a relaxed cell state by state instead of candidate by candidate.

    All candidates that read a state are computed together (:class:`PlanFunction`): one pass of all depthwise
    convolutions over it, pools once for all edges, batch normalisation and mixing weight in one step, and for
    the backward pass only tensors that cannot be recomputed cheaply are kept. Operations on whole channels
    are a factor and a summand of the state (:func:`channel_terms`). Operations without such a form are
    computed by their modules, and so are identities while they drop entries. Plans are cached for each mask
    that occurs; the plan of a state outlives decisions on edges that leave others.
    """

    def __init__(self) -> None:
        self._plans: dict[tuple[Alive, bool], list[Plan]] = {}
        self._of_states: dict[tuple[int, Alive, bool], Plan] = {}

    def __call__(self, cell: SupernetCell, before: Tensor, previous: Tensor, mixture: CellMixture) -> Tensor:
        """Return the cell's output."""
        weights = mixture.weights
        if mixture.edges is not None:
            weights = weights * mixture.edges[:, None]
        states = cell.enter(before, previous, self._enter)
        masks = draw_masks(cell, states[-1], mixture)
        totals: dict[int, Tensor] = {}
        passing: dict[int, list[Tensor]] = {state: [] for state in cell.space.states}
        for number, plan in enumerate(self._plans_of(cell, mixture.active, bool(masks.skips))):
            through, past = cell.partial.split(states[number], plan.stride)
            self._leave(plan, through, weights, masks, totals)
            if past is not None:
                for edge, target in _open_edges(cell, mixture.active, number):
                    term = past if mixture.edges is None else mixture.edges[edge] * past
                    passing[target].append(masks.along(edge, term))
            node = number + 1 - cell.space.inputs
            if node >= 0:
                total = _node(cell, states, totals.pop(number + 1, None), passing.pop(number + 1))
                states.append(cell.node(node, total))
        return cell.output(states, mixture.outputs)

    def _plans_of(self, cell: SupernetCell, mask: Alive, plain_skips: bool) -> list[Plan]:
        """Return the plans of all states, from the cache or newly made."""
        plans = self._plans.get((mask, plain_skips))
        if plans is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
                self._of_states.clear()
            plans = [self._plan_of(cell, mask, state, plain_skips) for state in range(cell.space.states[-1])]
            self._plans[mask, plain_skips] = plans
        return plans

    def _plan_of(self, cell: SupernetCell, mask: Alive, state: int, plain_skips: bool) -> Plan:
        """Return the plan of a state, which only depends on the edges that leave it."""
        key = state, _leaving(cell, mask, state), plain_skips
        if key not in self._of_states:
            self._of_states[key] = Plan(cell, mask, state, plain_skips)
        return self._of_states[key]

    def _enter(self, module: nn.Module, x: Tensor) -> Tensor:
        """Return a state: an input of the cell, projected to its width and size."""
        if not enters_fused(module):
            return module(x)  # type: ignore[no-any-return]
        weights = entry_weights(module)
        stride = getattr(module, "stride", (1,) * (x.dim() - 2))
        with _no_autocast(x):
            rows = _rows(x, working_dtype(x, weights[0].dtype))
            state: Tensor = EntryFunction.apply(module.norm, stride, rows, *weights)  # type: ignore[no-untyped-call]
        return state.movedim(-1, 1)

    def _leave(
        self, plan: Plan, x: Tensor, weights: Tensor, masks: EdgeMasks, totals: dict[int, Tensor]
    ) -> None:
        """Add the contributions of a state to the totals of the nodes that read it.

        Totals have the shape (batch, *map, channels).
        """

        def add(edge: int, target: int, term: Tensor) -> None:
            term = masks.along(edge, term)
            totals[target] = totals[target] + term if target in totals else term

        if plan.edges:
            parameters = plan.parameters()
            single = parameters[0].dtype if parameters else torch.promote_types(x.dtype, torch.float32)
            with _no_autocast(x):
                rows, factors = _rows(x, working_dtype(x, single)), weights.to(single)
                # Drop path scales each contribution, so these cannot be added at once.
                before = [
                    None if masks.paths else _like(totals.get(target), rows.dtype) for target in plan.targets
                ]
                results = PlanFunction.apply(plan, rows, factors, *before, *parameters)  # type: ignore[no-untyped-call]
            for edge, target, term, added in zip(plan.edges, plan.targets, results, before, strict=True):
                if added is None:
                    add(edge, target, term)
                else:
                    totals[target] = term
        if plan.channels:
            with _no_autocast(x):
                single = plan.channels[0].module.squeeze[0].get_parameter("weight").dtype
                rows = _rows(x, working_dtype(x, single))
                for edge, target, term in channel_terms(plan.channels, rows, weights.to(single)):
                    add(edge, target, term)
        for edge, target, column, module in plan.others:
            out = self._reduce_channels(module, x) if reduces_channels(module) else module(x)
            add(edge, target, (weights[edge, column] * masks.after(edge, module, out)).movedim(1, -1))

    def _reduce_channels(self, module: nn.Module, x: Tensor) -> Tensor:
        """Return an operation on channels that reduces the map; its reduction is computed in fused form."""
        return self._enter(module.norm, module.before_norm(x))  # type: ignore[arg-type,operator]

    def forget(self, cell: SupernetCell, alive: Alive) -> None:
        """Drop the plans with candidates that are not alive: they are about to be pruned."""
        self._plans.clear()
        self._of_states = {
            (state, own, plain): plan
            for (state, own, plain), plan in self._of_states.items()
            if all(map(_within, own, _leaving(cell, alive, state)))
        }


def _leaving(cell: SupernetCell, mask: Alive, state: int) -> Alive:
    """Return the rows of a mask that belong to the edges which leave a state."""
    return tuple(row for row, (start, _) in zip(mask, cell.space.edges, strict=True) if start == state)


def _within(active: Sequence[bool], alive: Sequence[bool]) -> bool:
    return not any(own and not other for own, other in zip(active, alive, strict=True))


def _open_edges(cell: SupernetCell, mask: Alive, state: int) -> Iterator[tuple[int, int]]:
    """Yield the edges that leave a state and have active candidates, each with the state that it enters."""
    for edge, (predecessor, target) in enumerate(cell.space.edges):
        if predecessor == state and any(cell.active(edge, mask)):
            yield edge, target


def _node(
    cell: SupernetCell, states: Sequence[Tensor], total: Tensor | None, passing: Sequence[Tensor]
) -> Tensor:
    """Return a node's sum: contributions of its edges' candidates, and of the channels that bypass them."""
    own = cell.combine(states, [] if total is None else [total.movedim(-1, 1)])
    return cell.partial.merge(own, cell.combine(states, passing)) if passing else own


def _like(total: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Return a total if the kernels can add to it."""
    return total if total is not None and total.dtype == dtype and total.is_contiguous() else None


def _rows(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a map with its channels last."""
    return x.movedim(1, -1).to(dtype).contiguous()


def working_dtype(x: Tensor, single: torch.dtype) -> torch.dtype:
    """Return the precision of maps and products; statistics and sums over pixels use the parameters'.

    Args:
        x: a map.
        single: precision of the parameters.
    """
    if x.is_meta:  # in estimates of memory
        return rehearsed_precision() or single
    kind = x.device.type
    # On CPUs the compiled loops in single precision are faster than libraries in half precision.
    return torch.get_autocast_dtype(kind) if kind == "cuda" and torch.is_autocast_enabled(kind) else single


def _no_autocast(x: Tensor) -> AbstractContextManager[None]:
    """Return a context without autocast: the functions choose the precision of each step themselves."""
    kind = x.device.type
    # Tensors without data, as used by memory estimates, do not support autocast.
    if x.is_meta or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)
