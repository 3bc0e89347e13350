"""Plan of a whole relaxed cell, or of one of its states: which maps are computed, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from autodas.kernels import Layout
from autodas.spaces import Alive
from autodas.supernet._cell import SupernetCell
from autodas.supernet.fused._candidates import Candidates
from autodas.supernet.fused._state_plan import StatePlan, Taken, Term, Weights


@dataclass(frozen=True)
class Sums:
    """Sums of terms that are computed together.

    Args:
        numbers: their numbers.
        batch, running: their layout with the moments of a batch, a row for each map, and with the running
            ones, a row for each layer.
        index: for each term the number of its map; ~s for state s.
    """

    numbers: slice
    batch: Layout
    running: Layout
    index: tuple[int, ...]


Targets = Mapping[int, Sequence[Term]]
"""For each sum, named by the state that it enters, its terms."""


class CellPlan:
    """Plan of states and sums, in the order in which they are computed.

    Args:
        inputs: number of states that are given.
        stride: stride of the edges that leave them.
        steps: plans of states, and sums. These are states, too, numbered after those that are given.
        operations: number of operations of an edge.

    Attributes:
        steps: the steps, with the layouts of the sums.
        sums: number of sums.
        states: plans of the states.
        norms: all normalisation layers; ``norm_rows`` is the row of each among the moments of a batch.
        maps, slots: number of maps, and of slopes.
        place: for each state that a term enters, the number of the sum.
        read_inputs: given states that are terms themselves.
    """

    def __init__(
        self,
        inputs: int,
        stride: tuple[int, ...],
        steps: Sequence[StatePlan | Targets],
        operations: int,
    ) -> None:
        self.inputs, self.stride = inputs, stride
        self.steps: list[StatePlan | Sums] = []
        self.states: list[StatePlan] = []
        self.place: dict[int, int] = {}
        for step in steps:
            if isinstance(step, StatePlan):
                self.steps.append(step)
                self.states.append(step)
            else:
                first = len(self.place)
                self.place |= {target: first + i for i, target in enumerate(step)}
                self.steps.append(_sums(first, list(step.values()), operations))
        self.sums = len(self.place)
        self.norms = [norm for plan in self.states for norm in plan.norms]
        self.norm_rows = tuple(row for plan in self.states for row in plan.norm_maps)
        taken = self.states[-1].taken if self.states else Taken()
        self.maps, self.slots = taken.maps, taken.slots
        self.read_inputs = [p.state for p in self.states if p.of_identities.terms and p.state < inputs]

    def parameters(self) -> list[Tensor]:
        """Return the weights of the convolutions, in the order of the gradients."""
        return [weight for plan in self.states for weight in plan.parameters()]

    def weights(self, parameters: Iterable[Tensor]) -> list[Weights]:
        """Return the weights of each state's convolutions."""
        rest = iter(parameters)
        return [plan.weights(rest) for plan in self.states]


def whole_plan(cell: SupernetCell, candidates: Sequence[Candidates]) -> CellPlan | None:
    """Return the plan of a cell whose nodes are sums of fused candidates; ``None`` if it cannot have one.

    Args:
        cell: the cell.
        candidates: those that read each state.
    """
    if cell.inner or cell.partial.K > 1 or any(own.others or own.channels for own in candidates):
        return None
    plans: dict[int, StatePlan] = {}
    taken = Taken()
    for state, own in enumerate(candidates):
        if own.planned():
            plans[state] = StatePlan(own, state, cell.edge_stride(state), taken)
            taken = plans[state].taken
    if not plans:
        return None
    every = [term for plan in plans.values() for term in plan.terms]
    steps: list[StatePlan | Targets] = []
    for state in range(cell.space.states[-1] + 1):
        if state >= cell.input_states:
            steps.append({state: [term for term in every if term.target == state]})
        if state in plans:
            steps.append(plans[state])
    return CellPlan(cell.input_states, cell.edge_stride(0), steps, len(cell.space.operations))


def single_plan(cell: SupernetCell, candidates: Candidates, state: int) -> CellPlan | None:
    """Return the plan of one state, with a sum for each edge; ``None`` if there is nothing to compute.

    Args:
        cell: the cell.
        candidates: those that read the state.
        state: number of the state.
    """
    if not candidates.planned():
        return None
    plan = StatePlan(candidates, 0, cell.edge_stride(state), Taken())
    targets = dict.fromkeys(term.target for term in sorted(plan.terms))
    sums = {target: [term for term in plan.terms if term.target == target] for target in targets}
    return CellPlan(1, plan.stride, [plan, sums], len(cell.space.operations))


class Plans(NamedTuple):
    """How a cell is computed under a mask.

    Args:
        whole: plan of the whole cell; ``None`` if its states are computed one by one.
        candidates, states: otherwise the candidates that read each state, and its plan; ``None`` if there is
            nothing to compute in fused form.
    """

    whole: CellPlan | None
    candidates: list[Candidates]
    states: list[CellPlan | None]


def plans_of(cell: SupernetCell, mask: Alive, plain_skips: bool, apart: bool) -> Plans:
    """Return the plans of a cell.

    Args:
        cell: the cell.
        mask: active candidates.
        plain_skips: whether identities are left to their modules, because dropout follows them.
        apart: whether the sum of each edge is needed by itself.
    """
    states = range(cell.space.states[-1])
    candidates = [Candidates(cell, mask, state, plain_skips) for state in states]
    whole = None if apart else whole_plan(cell, candidates)
    if whole is not None:
        return Plans(whole, [], [])
    return Plans(None, candidates, [single_plan(cell, own, state) for state, own in enumerate(candidates)])


def _sums(first: int, terms: Sequence[Sequence[Term]], operations: int) -> Sums:
    ordered = [term for of_sum in terms for term in sorted(of_sum)]
    counts = tuple(map(len, terms))
    factors = tuple(term.edge * operations + term.column for term in ordered)
    slots = tuple(term.slot for term in ordered)
    batch = tuple(-1 if term.norm < 0 else term.map for term in ordered)
    running = tuple(term.norm for term in ordered)
    return Sums(
        slice(first, first + len(counts)),
        Layout(counts, batch, factors, slots),
        Layout(counts, running, factors, slots),
        tuple(term.map for term in ordered),
    )
