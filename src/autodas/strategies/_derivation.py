"""The rule by which DARTS derives an architecture from relaxed weights, and limits on it. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autodas.spaces import Alive, CellSpace
from autodas.strategies._discretisation import Decision, Discretisation

Rows = Sequence[Sequence[float]]
"""Weights of one cell kind, edges x operations."""


def best_choice(cell: CellSpace, weights: Sequence[float]) -> tuple[int, float]:
    """Return the column of the strongest operation of an edge, and its lead over the second.

    Only operations that may be chosen compete. Ties go to the first in the space's order.

    Args:
        cell: the cell space.
        weights: the weights of the edge's operations.
    """
    columns = [o for o, name in enumerate(cell.operations) if name in cell.choices]
    best = max(columns, key=lambda o: weights[o])
    others = [weights[o] for o in columns if o != best]
    return best, weights[best] - max(others, default=0.0)


def best_edges(edges: Sequence[int], scores: Mapping[int, float], kept: int) -> tuple[list[int], float]:
    """Return the strongest edges of a node, and the lead of the weakest of them over the next.

    Ties go to the earlier predecessor.

    Args:
        edges: edges that enter the node.
        scores: strength of each edge.
        kept: number of edges that it keeps.
    """
    ranked = sorted(edges, key=lambda edge: -scores[edge])
    lead = scores[ranked[kept - 1]] - scores[ranked[kept]] if len(ranked) > kept else 0.0
    return ranked[:kept], lead


def columns_of(alive: Alive) -> dict[int, int]:
    """Return the edges of a discrete cell, each with the column of its operation."""
    return {edge: row.index(True) for edge, row in enumerate(alive) if any(row)}


class Choice(NamedTuple):
    """One cell, as derived from weights.

    Attributes:
        operations: for each edge the column of its operation, and its lead over the second.
        nodes: for each node that must choose, the edges that it keeps, and the lead of the last of them.
    """

    operations: dict[int, tuple[int, float]]
    nodes: dict[int, tuple[list[int], float]]

    def kept(self, cell: CellSpace) -> dict[int, int]:
        """Return the edges that are kept, in order, each with the column of its operation."""
        removed = {
            e for state, (kept, _) in self.nodes.items() for e in cell.incoming(state) if e not in kept
        }
        return {edge: column for edge, (column, _) in self.operations.items() if edge not in removed}


def choose(cell: CellSpace, weights: Rows, factors: Sequence[float] | None = None) -> Choice:
    """Return the cell that DARTS derives from weights.

    Each edge takes its strongest operation; each node keeps the k edges whose operation is strongest.

    Args:
        cell: the cell space.
        weights: weights softmaxed on each edge.
        factors: factor of each edge as a whole, by which the weight of its operation is multiplied when edges
            are compared (PC-DARTS); 1 by default.
    """
    operations = {edge: best_choice(cell, row) for edge, row in enumerate(weights)}
    scores = {
        edge: weights[edge][column] * (1.0 if factors is None else factors[edge])
        for edge, (column, _) in operations.items()
    }
    nodes = {
        state: best_edges(cell.incoming(state), scores, cell.kept_edges(state))
        for state in cell.states
        if cell.must_choose_edges(state)
    }
    return Choice(operations, nodes)


def decide(discretisation: Discretisation, choices: Mapping[str, Choice]) -> list[Decision]:
    """Decide everything at once, as DARTS does at the end of a search: edges, then nodes.

    Args:
        discretisation: a discretisation without decisions; it is completed.
        choices: the cell of each kind.
    """
    decisions = [
        discretisation.fix_edge(kind, edge, column, lead)
        for kind, choice in choices.items()
        for edge, (column, lead) in choice.operations.items()
    ]
    return decisions + [
        discretisation.fix_node(kind, state, kept, lead)
        for kind, choice in choices.items()
        for state, (kept, lead) in choice.nodes.items()
    ]


def limit_skips(cell: CellSpace, weights: Rows, most: int) -> list[list[float]]:
    """Return weights from which a cell with at most the given number of skips is derived.

    While there are more, the weakest skip among the kept edges gets the weight 0, and the cell is derived
    again: another operation takes the edge, or another edge its place (P-DARTS).

    Args:
        cell: the cell space.
        weights: weights softmaxed on each edge.
        most: maximum number of ``skip_connect``.
    """
    limited = [list(row) for row in weights]
    while True:
        kept = choose(cell, limited).kept(cell)
        skips = {e: o for e, o in kept.items() if cell.operations[o] == "skip_connect" and limited[e][o] > 0}
        if len(skips) <= most:
            return limited
        weakest = min(skips, key=lambda edge: limited[edge][skips[edge]])
        limited[weakest][skips[weakest]] = 0.0
