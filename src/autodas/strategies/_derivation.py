"""The rule by which DARTS reads an architecture off relaxed weights. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autodas.spaces import CellSpace
from autodas.strategies._discretisation import Decision, Discretisation


def best_choice(cell: CellSpace, weights: Sequence[float]) -> tuple[int, float]:
    """Return the column of the strongest operation of an edge, and its lead over the second.

    Only operations that may win an edge compete. Ties go to the first in the space's order.

    Args:
        cell: the space.
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
        edges: the edges that enter the node.
        scores: strength of each edge.
        kept: how many it keeps.
    """
    ranked = sorted(edges, key=lambda edge: -scores[edge])
    lead = scores[ranked[kept - 1]] - scores[ranked[kept]] if len(ranked) > kept else 0.0
    return ranked[:kept], lead


def derive(
    discretisation: Discretisation, weights: Mapping[str, Sequence[Sequence[float]]]
) -> list[Decision]:
    """Decide everything that is open at once, as DARTS does at the end of a search.

    On each edge the strongest operation wins; each node keeps the k edges whose winner is strongest.

    Args:
        discretisation: what has been decided; it is brought to its end.
        weights: for each kind, edges x operations, softmaxed.
    """
    cell = discretisation.cell
    decisions = []
    scores: dict[str, dict[int, float]] = {kind: {} for kind in discretisation.kinds}
    for kind, edge in list(discretisation.open_edges()):
        column, lead = best_choice(cell, weights[kind][edge])
        scores[kind][edge] = weights[kind][edge][column]
        decisions.append(discretisation.fix_edge(kind, edge, column, lead))
    for kind, state in list(discretisation.open_nodes()):
        kept, lead = best_edges(cell.incoming(state), scores[kind], cell.kept_edges(state))
        decisions.append(discretisation.fix_node(kind, state, kept, lead))
    return decisions
