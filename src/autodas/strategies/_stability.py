"""Stability in time of the weights of open edges (SGAS). No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LOOKS = 50
"""Number of times in a search at which the weights are recorded: the epochs of SGAS."""

REMEMBERED = 4
"""Number of the latest records with which the weights are compared."""

Edge = tuple[str, int]
"""Cell kind and number of an edge."""

Weights = Mapping[Edge, Sequence[float]]
"""Softmaxed weights of the operations of every open edge."""


class Stability:
    r"""Record of the weights of open edges, and how much they have changed lately.

    The stability of an edge is the mean overlap of its weights p now with those of the last records,
    :math:`\frac{1}{\kappa} \sum_{i=1}^\kappa \sum_o \min(p_o, p_o^{(i)})`, scaled over the open edges to [0,
    1]. If there is no record yet, or all are equally stable, it is 1.

    Source: SGAS (Li et al., CVPR 2020), section 3.2, selection stability, with a window of 4 epochs of 50.

    Args:
        iterations: number of iterations of the search.
    """

    def __init__(self, iterations: int) -> None:
        self.interval = max(1, iterations // LOOKS)
        self.records: list[dict[Edge, list[float]]] = []

    def record(self, iteration: int, weights: Weights) -> None:
        """Record the weights, if it is time.

        Args:
            iteration: number of finished iterations.
            weights: weights after that iteration.
        """
        if iteration % self.interval == 0:
            latest = {edge: list(row) for edge, row in weights.items()}
            self.records = [*self.records, latest][-REMEMBERED:]

    def of(self, weights: Weights) -> dict[Edge, float]:
        """Return the stability of every open edge.

        Args:
            weights: their weights now.
        """
        overlaps = {
            edge: sum(sum(map(min, row, record[edge])) for record in self.records)
            for edge, row in weights.items()
        }
        least, most = min(overlaps.values(), default=0.0), max(overlaps.values(), default=0.0)
        if least == most:
            return dict.fromkeys(overlaps, 1.0)
        return {edge: (overlap - least) / (most - least) for edge, overlap in overlaps.items()}

    def state_dict(self) -> list[dict[Edge, list[float]]]:
        """Return the records as plain data."""
        return [dict(record) for record in self.records]

    def load_state_dict(self, state: Sequence[Mapping[Edge, Sequence[float]]], now: Weights) -> None:
        """Restore the records of :meth:`state_dict`.

        Args:
            state: the records.
            now: weights of the edges that are open.

        Raises:
            ValueError: if they are not records of these edges.
        """
        self.records = [{edge: [float(w) for w in row] for edge, row in record.items()} for record in state]
        for record in self.records:
            if any(len(record.get(edge, ())) != len(row) for edge, row in now.items()):
                raise ValueError("records of other edges")
