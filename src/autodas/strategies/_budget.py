"""Limits on the cost of an architecture, and the best architecture within them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from autodas.costs import live_columns
from autodas.genotype import Genotype
from autodas.spaces import Alive, CellSpace, alive_of, all_alive
from autodas.strategies._derivation import Choice, Rows, best_choice, choose, columns_of, limit_skips
from autodas.strategies.settings import FINALISTS

_LARGEST_IN_UNITS = 1e4
"""Largest number that the solver's tolerance, 1e-6 of each variable, leaves exact with a wide margin."""

COUNTED = ("parameters", "multiply_adds")
"""Resources that are counted; any other is the metric of a table."""


@dataclass(frozen=True)
class Resource:
    """Resource of a network: what each candidate uses of it, and the limit.

    Args:
        name: ``parameters``, ``multiply_adds``, or the metric of a table such as ``latency_ms``.
        costs: for each kind, the use by a candidate in all cells of the kind together: edges x operations.
        limit: limit for the whole network.
        constant: use by everything but the candidates.
        dead_parts: whether edges count that do not contribute to a cell's output. The best architectures
            within a budget are chosen as if they did.
    """

    name: str
    costs: Mapping[str, Rows]
    limit: float
    constant: float = 0.0
    dead_parts: bool = True

    @property
    def left(self) -> float:
        """Limit for all candidates together."""
        return self.limit - self.constant

    def spent(self, kept: Mapping[str, Mapping[int, int]]) -> float:
        """Return the use by the candidates of an architecture.

        Args:
            kept: for each kind the edges that it keeps, each with the column of its operation.
        """
        return sum(float(self.costs[kind][e][o]) for kind, edges in kept.items() for e, o in edges.items())

    def words(self, amount: float) -> str:
        """Return an amount in words, such as ``1,234 parameters`` or ``12.5 ms latency``."""
        if self.name in COUNTED:
            return f"{amount:,.0f} {self.name.replace('_', '-')}"
        what, _, unit = self.name.rpartition("_")
        return f"{amount:.4g} {unit} {what.replace('_', ' ')}".strip()


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
        resources: the resources, each with its limit.
        tighter: further limits of the last resource, each below the one before: methods that derive their
            architecture at the end derive one for each.
        measure: measures the last resource of a network, given its architecture; ``None`` if only predicted
            costs are known.
        finalists: maximum number of architectures that are measured for one limit.
        slack: share of the last limit by which the predicted cost of finalists may exceed it: the typical
            error of the table.
    """

    cell: CellSpace
    kinds: tuple[str, ...]
    resources: tuple[Resource, ...]
    tighter: tuple[float, ...] = ()
    measure: Callable[[Genotype], float] | None = None
    finalists: int = FINALISTS
    slack: float = 0.0

    def meets(self, kept: Mapping[str, Mapping[int, int]]) -> bool:
        """Return whether an architecture meets the limits.

        Args:
            kept: for each kind the edges that it keeps, each with the column of its operation.
        """
        return all(resource.spent(kept) <= resource.left for resource in self.resources)

    def amounts(self, genotype: Genotype) -> dict[str, float]:
        """Return what the network of an architecture uses of each resource.

        Args:
            genotype: the architecture.
        """
        cells = genotype.cells.items()
        every = {kind: columns_of(alive_of(cell, self.cell)) for kind, cell in cells}
        live = {kind: live_columns(cell, self.cell) for kind, cell in cells}
        return {
            resource.name: resource.constant + resource.spent(every if resource.dead_parts else live)
            for resource in self.resources
        }

    def keeps_limit(self, amount: float) -> bool:
        """Return whether a measured amount of the last resource is within its limit."""
        return amount <= self.resources[-1].limit

    def each(self) -> list[Budget]:
        """Return a budget for each limit of the last resource, the largest limit first."""
        return [self._with_last_limit(limit) for limit in (self.resources[-1].limit, *self.tighter)]

    def times(self, factor: float) -> Budget:
        """Return the budget whose last limit is multiplied by a factor."""
        return self._with_last_limit(self.resources[-1].limit * factor)

    def _with_last_limit(self, limit: float) -> Budget:
        *others, last = self.resources
        return replace(self, resources=(*others, replace(last, limit=limit)))

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
        but: Sequence[Mapping[str, Mapping[int, int]]] = (),
    ) -> dict[str, Choice] | None:
        """Return the cells with the largest sum of weights among those that meet the limits.

        Args:
            weights: for each kind, edges x operations.
            factors: factor of each edge as a whole.
            alive: candidates to choose among; all by default.
            but: architectures that are not wanted, in the form of :meth:`meets`.

        Returns:
            ``None`` if there are no such cells.
        """
        alive = alive or dict.fromkeys(self.kinds, all_alive(self.cell))
        scores = {
            kind: np.asarray(rows) * (1.0 if factors is None else np.asarray(factors[kind])[:, None])
            for kind, rows in weights.items()
        }
        kept = self._solve(scores, alive, but)
        if kept is None:
            return None
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
        skips = tuple(
            Resource("skips", {k: ones if k == kind else none for k in self.kinds}, float(limit))
            for kind, limit in most.items()
        )
        return replace(self, resources=skips + self.resources)

    def cheapest_columns(self, kind: str, alive: Alive) -> list[int]:
        """Return the cheapest operation of each edge, by the first resource, then by the next ones."""
        columns = [o for o, name in enumerate(self.cell.operations) if name in self.cell.choices]
        return [
            min(
                (o for o in columns if row[o]),
                key=lambda o: [resource.costs[kind][edge][o] for resource in self.resources],
            )
            for edge, row in enumerate(alive)
        ]

    def cheapest(self, resource: Resource) -> float:
        """Return the minimum of one resource over all architectures, if nothing is limited."""
        alive = dict.fromkeys(self.kinds, all_alive(self.cell))
        costs = {kind: -np.asarray(rows, float) for kind, rows in resource.costs.items()}
        kept = replace(self, resources=())._solve(costs, alive)
        assert kept is not None
        return resource.constant + resource.spent(kept)

    def _solve(
        self,
        scores: Mapping[str, np.ndarray],
        alive: Mapping[str, Alive],
        but: Sequence[Mapping[str, Mapping[int, int]]] = (),
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
        for resource in self.resources:
            row = np.array([float(resource.costs[kind][e][o]) for kind, e, o in places])
            unit = _unit(row)
            rows.append(row / unit)
            least.append(-np.inf)
            most.append(resource.left / unit)
        for unwanted in but:
            chosen = np.array([unwanted[kind].get(e) == o for kind, e, o in places])
            rows.append(chosen.astype(float))
            least.append(-np.inf)
            most.append(chosen.sum() - 1.0)
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
    largest = np.abs(costs).max(initial=0.0) or 1.0
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
    but: Sequence[Mapping[str, Mapping[int, int]]] = (),
) -> dict[str, Choice] | None:
    """Return the cells that DARTS derives from weights; if they exceed the budget, the best within it.

    If the budget can only be met with more skips than ``skips``, it takes precedence.

    Args:
        cell: the cell space.
        weights: weights for each kind, softmaxed on each edge.
        factors: for each kind, factors of its edges as a whole.
        skips: maximum number of skips, for the kinds for which it is limited.
        budget: budget of the architecture.
        alive: remaining candidates; all by default.
        but: architectures that are not wanted, for a budget: the next best ones are returned instead.

    Returns:
        ``None`` if there are no other architectures within the budget.
    """
    choices = {}
    for kind, rows in weights.items():
        limited = limit_skips(cell, rows, skips[kind]) if kind in skips else rows
        choices[kind] = choose(cell, limited, None if factors is None else factors[kind])
    kept = {kind: choice.kept(cell) for kind, choice in choices.items()}
    if budget is None or (budget.meets(kept) and kept not in but):
        return choices
    alive = alive or dict.fromkeys(budget.kinds, all_alive(cell))
    if not budget.can_be_met(alive):
        return None
    within, more = budget.with_skips(skips), 0
    while not within.can_be_met(alive):
        more += 1
        within = budget.with_skips({kind: most + more for kind, most in skips.items()})
    return within.choose(weights, factors, alive, but)
