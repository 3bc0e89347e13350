"""Limits on the cost of an architecture, and the best architecture within them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import given_norms, profile
from autodas.spaces import Alive, CellSpace, Skeleton, Space, alive_of, all_alive, fit_skeleton, random_cell
from autodas.strategies._derivation import Choice, Rows, best_choice, choose, columns_of, limit_skips
from autodas.strategies._resources import slot_costs

_LARGEST_IN_UNITS = 1e4
"""Largest number that the solver's tolerance, 1e-6 of each variable, leaves exact with a wide margin."""

RESOURCES = ("parameters", "multiply_adds")


class Limits(NamedTuple):
    """Limits on the cost of an architecture's network; ``None`` for no limit.

    Attributes:
        parameters: number of parameters without the auxiliary head.
        multiply_adds: multiply-adds of convolutions and classifier, for one sample.
    """

    parameters: int | None = None
    multiply_adds: int | None = None


@dataclass(frozen=True)
class Budget:
    r"""Budget of a space: limits on the costs of its architectures.

    Costs add up over the edges that are kept, so the best architecture solves an integer programme: with
    :math:`x_{e,o} \in \{0, 1\}` for operation o on edge e, weights w and costs c,

    .. math:: \max \sum_{e,o} w_{e,o} x_{e,o}, \quad \sum_{e,o} c_{e,o} x_{e,o} \le C, \quad
        \sum_o x_{e,o} \le 1, \quad \sum_{e \to i} \sum_o x_{e,o} = k.

    Without limits this is the derivation rule of DARTS.

    Args:
        cell: the cell space.
        kinds: cell kinds.
        costs: for each resource and kind, the cost that a candidate adds to the network: edges x operations.
        limits: for each resource, the limit for all edges together.
    """

    cell: CellSpace
    kinds: tuple[str, ...]
    costs: tuple[Mapping[str, Rows], ...]
    limits: tuple[float, ...]

    def meets(self, kept: Mapping[str, Mapping[int, int]]) -> bool:
        """Return whether an architecture meets the limits.

        Args:
            kept: for each kind the edges that it keeps, each with the column of its operation.
        """
        return all(
            sum(costs[kind][e][o] for kind, edges in kept.items() for e, o in edges.items()) <= limit
            for costs, limit in zip(self.costs, self.limits, strict=True)
        )

    def can_be_met(self, alive: Mapping[str, Alive]) -> bool:
        """Return whether any architecture that is still possible meets the limits.

        Args:
            alive: the remaining candidates. Each node must have at least as many edges as it keeps.
        """
        anything = {kind: np.zeros(np.shape(mask)) for kind, mask in alive.items()}
        return self._solve(anything, alive) is not None

    def choose(
        self,
        weights: Mapping[str, Rows],
        factors: Mapping[str, Sequence[float]] | None = None,
        alive: Mapping[str, Alive] | None = None,
    ) -> dict[str, Choice]:
        """Return the cells with the largest sum of weights among those that meet the limits.

        Args:
            weights: for each kind, edges x operations.
            factors: factor of each edge as a whole.
            alive: candidates to choose among; all by default.
        """
        alive = alive or dict.fromkeys(self.kinds, all_alive(self.cell))
        scores = {
            kind: np.asarray(rows) * (1.0 if factors is None else np.asarray(factors[kind])[:, None])
            for kind, rows in weights.items()
        }
        kept = self._solve(scores, alive)
        assert kept is not None, "the budget was checked before the search"
        return {kind: self._choice(kind, weights[kind], scores[kind], kept[kind]) for kind in self.kinds}

    def _choice(self, kind: str, weights: Rows, scores: np.ndarray, kept: Mapping[int, int]) -> Choice:
        operations, nodes = {}, {}
        for edge, row in enumerate(weights):
            column = kept.get(edge, best_choice(self.cell, row)[0])
            others = [row[o] for o, name in enumerate(self.cell.operations) if name in self.cell.choices]
            lead = row[column] - max((w for w in others if w != row[column]), default=0.0)
            operations[edge] = column, max(0.0, lead)
        for state in self.cell.states:
            if self.cell.must_choose_edges(state):
                incoming = self.cell.incoming(state)
                chosen = [edge for edge in incoming if edge in kept]
                score = {edge: float(scores[edge][operations[edge][0]]) for edge in incoming}
                left = max(score[edge] for edge in incoming if edge not in kept)
                nodes[state] = chosen, max(0.0, min(score[edge] for edge in chosen) - left)
        return Choice(operations, nodes)

    def with_skips(self, most: Mapping[str, int]) -> Budget:
        """Return the budget with additional limits: the number of skips in cells of the given kinds."""
        ones = [[float(name == "skip_connect") for name in self.cell.operations] for _ in self.cell.edges]
        none = [[0.0] * len(row) for row in ones]
        costs = tuple({k: ones if k == kind else none for k in self.kinds} for kind in most)
        return replace(self, costs=self.costs + costs, limits=self.limits + tuple(map(float, most.values())))

    def cheapest_columns(self, kind: str, alive: Alive) -> list[int]:
        """Return the cheapest operation of each edge, by the first resource, then by the next ones."""
        columns = [o for o, name in enumerate(self.cell.operations) if name in self.cell.choices]
        return [
            min(
                (o for o in columns if row[o]),
                key=lambda o: [costs[kind][edge][o] for costs in self.costs],
            )
            for edge, row in enumerate(alive)
        ]

    def cheapest(self, resource: int) -> float:
        """Return the minimum cost of an architecture's edges for one resource."""
        alive = dict.fromkeys(self.kinds, all_alive(self.cell))
        costs = {kind: -np.asarray(rows, float) for kind, rows in self.costs[resource].items()}
        free = Budget(self.cell, self.kinds, (), ())
        kept = free._solve(costs, alive)
        assert kept is not None
        return -sum(float(costs[kind][e][o]) for kind, edges in kept.items() for e, o in edges.items())

    def _solve(
        self, scores: Mapping[str, np.ndarray], alive: Mapping[str, Alive]
    ) -> dict[str, dict[int, int]] | None:
        """Return the edges to keep with their columns; ``None`` if no architecture meets the limits."""
        places = [
            (kind, edge, column)
            for kind in self.kinds
            for edge, row in enumerate(alive[kind])
            for column, name in enumerate(self.cell.operations)
            if row[column] and name in self.cell.choices
        ]
        rows, least, most = [], [], []
        for costs, limit in zip(self.costs, self.limits, strict=True):
            row = np.array([float(costs[kind][e][o]) for kind, e, o in places])
            unit = _unit(row)
            rows.append(row / unit)
            least.append(-np.inf)
            most.append(limit / unit)
        for members, low, high in self._groups(places):
            rows.append(np.array(members, float))
            least.append(low)
            most.append(high)
        while True:
            solution = milp(
                -np.array([scores[kind][e][o] for kind, e, o in places]),
                integrality=np.ones(len(places)),
                bounds=Bounds(0, 1),
                constraints=LinearConstraint(np.array(rows), least, most),
                options={"mip_rel_gap": 0.0},
            )
            if solution.x is None:
                return None
            chosen = solution.x > 0.5
            kept: dict[str, dict[int, int]] = {kind: {} for kind in self.kinds}
            for (kind, edge, column), used in zip(places, chosen, strict=True):
                if used:
                    kept[kind][edge] = column
            if self.meets(kept):
                return kept
            # Within the solver's tolerance, but over the limit: excluded, with all that costs more.
            rows.append(chosen.astype(float))
            least.append(-np.inf)
            most.append(chosen.sum() - 1.0)

    def _groups(self, places: Sequence[tuple[str, int, int]]) -> Iterator[tuple[list[bool], float, float]]:
        """Yield the variables of each sum and its bounds, for each edge and each node."""
        every = not isinstance(self.cell.kept, int) and (
            self.cell.kept == "all" or self.cell.none_is_a_choice
        )
        for kind in self.kinds:
            for edge in range(len(self.cell.edges)):
                yield [(k, e) == (kind, edge) for k, e, _ in places], float(every), 1.0
            for state in self.cell.states:
                if isinstance(self.cell.kept, int):
                    incoming = self.cell.incoming(state)
                    kept = float(self.cell.kept_edges(state))
                    yield [k == kind and e in incoming for k, e, _ in places], kept, kept


def _unit(costs: np.ndarray) -> float:
    """Return the unit in which the solver is given costs: its tolerance of 1e-6 should be less than one.

    That is their greatest common divisor. Where it leaves numbers that are too large, or costs are no whole
    numbers, it is the largest cost, and what exceeds a limit within the tolerance is sorted out afterwards.
    """
    largest = max(1.0, costs.max(initial=0.0))
    whole = largest < 2.0**53 and (costs == np.round(costs)).all()
    divisor = float(np.gcd.reduce(costs.astype(np.int64))) if whole and costs.any() else 0.0
    return divisor if divisor and largest / divisor <= _LARGEST_IN_UNITS else largest


def best_choices(
    cell: CellSpace,
    weights: Mapping[str, Rows],
    factors: Mapping[str, Sequence[float]] | None = None,
    *,
    skips: Mapping[str, int] = MappingProxyType({}),
    budget: Budget | None = None,
    alive: Mapping[str, Alive] | None = None,
) -> dict[str, Choice]:
    """Return the cells that DARTS derives from weights; if they exceed the budget, the best within it.

    If the budget can only be met with more skips than ``skips``, it takes precedence.

    Args:
        cell: the cell space.
        weights: weights for each kind, softmaxed on each edge.
        factors: for each kind, factors of its edges as a whole.
        skips: maximum number of skips, for the kinds for which it is limited.
        budget: budget of the architecture.
        alive: remaining candidates; all by default.
    """
    choices = {}
    for kind, rows in weights.items():
        limited = limit_skips(cell, rows, skips[kind]) if kind in skips else rows
        choices[kind] = choose(cell, limited, None if factors is None else factors[kind])
    if budget is None or budget.meets({kind: choice.kept(cell) for kind, choice in choices.items()}):
        return choices
    alive = alive or dict.fromkeys(budget.kinds, all_alive(cell))
    within, more = budget.with_skips(skips), 0
    while not within.can_be_met(alive):
        more += 1
        within = budget.with_skips({kind: most + more for kind, most in skips.items()})
    return within.choose(weights, factors, alive)


def network_budget(
    space: Space,
    skeleton: Skeleton,
    limits: Limits,
    *,
    classes: int,
    channels: int,
    image_size: int | None = None,
) -> Budget | None:
    """Return the budget of a space, given limits on the network to be trained.

    Args:
        space: the search space.
        skeleton: skeleton of the network to be trained.
        limits: limits on that network.
        classes: number of its classes.
        channels: number of channels of its images.
        image_size: height and width of its images; by default that of the skeleton.

    Returns:
        ``None`` if there is no limit.

    Raises:
        AutodasError: if no architecture meets the limits; the message names the smallest.
    """
    wanted = [(name, getattr(limits, name)) for name in RESOURCES if getattr(limits, name) is not None]
    if not wanted:
        return None
    generator = Random(0)
    cells = {kind: random_cell(space.cell, generator) for kind in space.kinds}
    reference = Genotype(cells, space=space.cell.genotype_space)
    skeleton = fit_skeleton(skeleton, reference)
    whole = profile(
        reference, skeleton, classes=classes, channels=channels, image_size=image_size, auxiliary=False
    )
    table = slot_costs(space.cell, skeleton, image_size, given_norms(skeleton), pools=False)
    kept = {kind: columns_of(alive_of(c, space.cell)) for kind, c in cells.items()}
    costs, left = [], []
    for name, limit in wanted:
        # Zeros for kinds without a cell in that network.
        by_kind = {
            kind: np.zeros((len(space.cell.edges), len(space.cell.operations)), int) for kind in space.kinds
        }
        for slot, rows in table:
            by_kind[slot.kind] += [[getattr(cost, name) for cost in row] for row in rows]
        spent = sum(int(by_kind[kind][e][o]) for kind, edges in kept.items() for e, o in edges.items())
        costs.append({kind: rows.tolist() for kind, rows in by_kind.items()})
        left.append(limit - (getattr(whole, name) - spent))
    budget = Budget(space.cell, space.kinds, tuple(costs), tuple(left))
    if not budget.can_be_met(dict.fromkeys(space.kinds, all_alive(space.cell))):
        smallest = [
            f"{limit - rest + budget.cheapest(number):,.0f} {name.replace('_', '-')}"
            for number, ((name, limit), rest) in enumerate(zip(wanted, left, strict=True))
        ]
        asked = " and ".join(f"{limit:,} {name.replace('_', '-')}" for name, limit in wanted)
        raise AutodasError(
            f"no architecture of space '{space.name}' has at most {asked} in skeleton '{skeleton.name}' with "
            f"K={skeleton.K}, C1={skeleton.C1}, C2={skeleton.C2}: the smallest has {' or '.join(smallest)}"
        )
    return budget
