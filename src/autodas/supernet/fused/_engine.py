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
from autodas.supernet.fused._candidates import Candidates
from autodas.supernet.fused._cell_plan import CellPlan, Plans, plans_of
from autodas.supernet.fused._channels import channel_terms, reduces_channels
from autodas.supernet.fused._entry import EntryFunction, enters_fused, entry_weights
from autodas.supernet.fused._function import CellFunction

MOST_PLANS = 64
"""Maximum number of masks for which a cell caches plans: methods that sample may never repeat one."""


class FusedEngine:
    """Fused engine, which computes a relaxed cell state by state instead of candidate by candidate.

    All candidates that read a state are computed together, and so is the sum of all terms of a node
    (:class:`CellFunction`): one pass of all depthwise convolutions over a state, pools once for all edges,
    batch normalisation and mixing weight in one step, and for the backward pass only tensors that cannot be
    recomputed cheaply are kept. A cell is one such function. If an edge's sum is needed by itself, for
    channels that bypass it or for drop path, or an operation is computed by its module, it is one function
    for each state. Operations on whole channels are a factor and a summand of the state
    (:func:`channel_terms`). Plans are cached for each mask that occurs.
    """

    def __init__(self) -> None:
        self._plans: dict[tuple[Alive, bool, bool], Plans] = {}

    def __call__(self, cell: SupernetCell, before: Tensor, previous: Tensor, mixture: CellMixture) -> Tensor:
        """Return the cell's output."""
        weights = mixture.weights
        if mixture.edges is not None:
            weights = weights * mixture.edges[:, None]
        states = cell.enter(before, previous, self._enter)
        masks = draw_masks(cell, states[-1], mixture)
        plans = self._plans_of(cell, mixture.active, bool(masks.skips), bool(masks.paths))
        if plans.whole is not None:
            states += self._sums(plans.whole, states, weights)
            return cell.output(states, mixture.outputs)
        terms: dict[int, list[Tensor]] = {state: [] for state in cell.space.states}
        passing: dict[int, list[Tensor]] = {state: [] for state in cell.space.states}
        for number, (plan, candidates) in enumerate(zip(plans.states, plans.candidates, strict=True)):
            through, past = cell.partial.split(states[number], cell.edge_stride(number))
            for edge, target, term in self._leave(plan, candidates, through, weights, masks):
                terms[target].append(masks.along(edge, term))
            if past is not None:
                for edge, target in _open_edges(cell, mixture.active, number):
                    term = past if mixture.edges is None else mixture.edges[edge] * past
                    passing[target].append(masks.along(edge, term))
            node = number + 1 - cell.space.inputs
            if node >= 0:
                total = _node(cell, states, terms.pop(number + 1), passing.pop(number + 1))
                states.append(cell.node(node, total))
        return cell.output(states, mixture.outputs)

    def _plans_of(self, cell: SupernetCell, mask: Alive, plain_skips: bool, apart: bool) -> Plans:
        """Return the plans of a cell, from the cache or newly made."""
        key = (mask, plain_skips, apart)
        if key not in self._plans:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            self._plans[key] = plans_of(cell, *key)
        return self._plans[key]

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

    def _sums(self, plan: CellPlan, states: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
        """Return the sums of a plan."""
        parameters, x = plan.parameters(), states[0]
        single = parameters[0].dtype if parameters else torch.promote_types(x.dtype, torch.float32)
        with _no_autocast(x):
            rows = [_rows(state, working_dtype(x, single)) for state in states]
            sums = CellFunction.apply(plan, weights.to(single), *rows, *parameters)  # type: ignore[no-untyped-call]
        return [each.movedim(-1, 1) for each in sums]

    def _leave(
        self,
        plan: CellPlan | None,
        candidates: Candidates,
        x: Tensor,
        weights: Tensor,
        masks: EdgeMasks,
    ) -> Sequence[tuple[int, int, Tensor]]:
        """Return the contributions of a state to the nodes that read it, each with its edge and its node."""
        terms: list[tuple[int, int, Tensor]] = []
        if plan is not None:
            edges = {term.target: term.edge for term in plan.states[0].terms}
            sums = self._sums(plan, [x], weights)
            terms += [(edges[target], target, sums[place]) for target, place in plan.place.items()]
        if candidates.channels:
            with _no_autocast(x):
                single = candidates.channels[0].module.squeeze[0].get_parameter("weight").dtype
                rows = _rows(x, working_dtype(x, single))
                results = channel_terms(candidates.channels, rows, weights.to(single))
            terms += [(edge, target, term.movedim(-1, 1)) for edge, target, term in results]
        for edge, target, column, module in candidates.others:
            out = self._reduce_channels(module, x) if reduces_channels(module) else module(x)
            terms.append((edge, target, weights[edge, column] * masks.after(edge, module, out)))
        return terms

    def _reduce_channels(self, module: nn.Module, x: Tensor) -> Tensor:
        """Return an operation on channels that reduces the map; its reduction is computed in fused form."""
        return self._enter(module.norm, module.before_norm(x))  # type: ignore[arg-type,operator]

    def forget(self) -> None:
        """Drop all plans: modules are about to be pruned."""
        self._plans.clear()


def _open_edges(cell: SupernetCell, mask: Alive, state: int) -> Iterator[tuple[int, int]]:
    """Yield the edges that leave a state and have active candidates, each with the state that it enters."""
    for edge, (predecessor, target) in enumerate(cell.space.edges):
        if predecessor == state and any(cell.active(edge, mask)):
            yield edge, target


def _node(
    cell: SupernetCell, states: Sequence[Tensor], terms: Sequence[Tensor], passing: Sequence[Tensor]
) -> Tensor:
    """Return a node's sum: contributions of its edges' candidates, and of the channels that bypass them."""
    total = cell.combine(states, terms)
    return cell.partial.merge(total, cell.combine(states, passing)) if passing else total


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
    # Tensors without data, as used by memory estimates, do not support autocast.
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)
