"""How deep a relaxed stage graph is (H-DAS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from autodas.spaces import CellSpace


def edge_probabilities(cell: CellSpace, alpha: Sequence[Tensor]) -> dict[int, Tensor]:
    """Return, for every node, with which probability it reads each of its predecessors.

    That is the softmax, over the node's edges, of the largest architecture parameter that an operation which
    may win has there.

    Args:
        cell: the stage graph.
        alpha: the architecture parameters of each edge, one vector of operations an edge.
    """
    columns = [o for o, name in enumerate(cell.operations) if name in cell.choices]
    best = torch.stack(list(alpha))[:, columns].amax(1)
    return {state: best[cell.incoming(state)].softmax(0) for state in cell.states}


def expected_depth(cell: CellSpace, probabilities: Mapping[int, Tensor]) -> Tensor:
    r"""Return the mean depth of the nodes of a stage graph.

    The inputs have depth 0; a node with m predecessors has
    :math:`d_i = \frac 1m \sum_j a_{ij} (d_j + 1)`.

    Args:
        cell: the stage graph.
        probabilities: a of each node, over its predecessors in order.
    """
    zero = next(iter(probabilities.values())).new_zeros(())
    depths = [zero] * cell.inputs
    for state in cell.states:
        before = torch.stack([depths[p] for p in cell.predecessors(state)])
        depths.append((probabilities[state] * (before + 1)).mean())
    return torch.stack(depths[cell.inputs :]).mean()
