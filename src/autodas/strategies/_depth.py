"""Depth of a relaxed stage graph (H-DAS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from autodas.kernels import constant
from autodas.spaces import CellSpace


def edge_probabilities(cell: CellSpace, alpha: Sequence[Tensor]) -> dict[int, Tensor]:
    """Return the probabilities with which every node reads each of its predecessors.

    They are the softmax, over the node's edges, of the largest architecture parameter among the operations
    that may be chosen on each edge.

    Args:
        cell: the stage graph.
        alpha: the architecture parameters of each edge, one vector of operations per edge.
    """
    columns = tuple(o for o, name in enumerate(cell.operations) if name in cell.choices)
    best = torch.stack(list(alpha)).index_select(1, constant(columns, alpha[0].device)).amax(1)
    # Edges are ordered by the nodes that they enter.
    shares = torch.split(best, [len(cell.predecessors(state)) for state in cell.states])
    return {state: share.softmax(0) for state, share in zip(cell.states, shares, strict=True)}


def expected_depth(
    cell: CellSpace, probabilities: Mapping[int, Tensor], lengths: Tensor | None = None
) -> Tensor:
    r"""Return the mean depth of the nodes of a stage graph.

    The inputs have depth 0; a node with m predecessors has
    :math:`d_i = \frac 1m \sum_j a_{ij} (d_j + 1)`. If the number of nodes is searched, node i (from 0),
    the last one of a graph of i + 1 nodes, counts :math:`1 + i p_{i + 1}` times.

    Args:
        cell: the stage graph.
        probabilities: a of each node, over its predecessors in order.
        lengths: p, the probability of each number of nodes.
    """
    zero = next(iter(probabilities.values())).new_zeros(())
    depths = [zero] * cell.inputs
    for state in cell.states:
        before = torch.stack([depths[p] for p in cell.predecessors(state)])
        depths.append((probabilities[state] * (before + 1)).mean())
    nodes = torch.stack(depths[cell.inputs :])
    if lengths is None:
        return nodes.mean()
    last = constant(tuple(length - 1 for length in cell.lengths), nodes.device)
    return (nodes * torch.ones_like(nodes).index_add(0, last, last * lengths)).mean()
