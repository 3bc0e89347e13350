"""Unknown costs of a table: what they have in common, and which of them architectures contain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from autodas.costs._live import chosen_columns, live_columns
from autodas.costs._ridge import Fitted
from autodas.genotype import Genotype
from autodas.spaces import CellSpace, Skeleton


@dataclass(frozen=True)
class Unknowns:
    """Costs that a table needs: those of all operations but ``none`` on all edges in all kinds of cells.

    Args:
        cell: the cell space.
        kinds: the kinds of cells.
        skeleton: skeleton of the networks.
    """

    cell: CellSpace
    kinds: tuple[str, ...]
    skeleton: Skeleton

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations that have a cost."""
        return tuple(name for name in self.cell.choices if name != "none")

    @property
    def places(self) -> list[tuple[str, int, int]]:
        """Kind, edge and column of each unknown."""
        columns = [self.cell.operations.index(name) for name in self.operations]
        edges = range(len(self.cell.edges))
        return [(kind, edge, column) for kind in self.kinds for edge in edges for column in columns]

    def common_parts(self, group: float, edge: float) -> np.ndarray:
        r"""Return a factor F of the covariance of the unknowns, :math:`F F^T`: unknowns x independent parts.

        An unknown is expected to be the sum of a part of its operation, one of its group (the same operation
        with the same stride in cells of the same kind) and one of its own, which are independent and have
        mean 0, times the share of the network's cells that are of its kind.

        Args:
            group: standard deviation of the parts of groups, those of operations being 1.
            edge: standard deviation of the unknowns' own parts.
        """
        cells = Counter(slot.kind for slot in self.skeleton.slots() if not slot.block)
        reducing = {slot.kind for slot in self.skeleton.slots() if slot.reduces}
        operations = [column for _, _, column in self.places]
        groups = [
            (kind, column, kind in reducing and self.cell.edges[edge][0] < self.cell.inputs)
            for kind, edge, column in self.places
        ]
        share = np.array([max(1, cells[kind]) / cells.total() for kind, _, _ in self.places])
        parts = [_members(operations), group * _members(groups), edge * np.eye(len(self.places))]
        factor: np.ndarray = share[:, None] * np.hstack(parts)
        return factor

    def counted(self, genotypes: Sequence[Genotype], dead_parts: bool) -> np.ndarray:
        """Return which unknowns architectures contain: architectures x unknowns, zeros and ones.

        Args:
            genotypes: the architectures.
            dead_parts: whether edges count that do not contribute to a cell's output.
        """
        columns_of = chosen_columns if dead_parts else live_columns
        number = {place: i for i, place in enumerate(self.places)}
        counted = np.zeros((len(genotypes), len(number)))
        for row, genotype in zip(counted, genotypes, strict=True):
            for kind in self.kinds:
                for edge, column in columns_of(genotype.cells[kind], self.cell).items():
                    row[number[kind, edge, column]] = 1.0
        return counted

    def from_zero(self, fitted: Fitted) -> Fitted:
        """Return the same predictions by costs whose least in each kind is 0, where these say the same.

        If every cell of a kind keeps as many edges as the others, the same amount can be taken from all
        its costs and added to the constant.

        Args:
            fitted: costs of the unknowns.
        """
        if not isinstance(self.cell.kept, int):
            return fitted
        edges = sum(self.cell.kept_edges(state) for state in self.cell.states)
        costs, constant = fitted.costs.copy(), fitted.constant
        for kind in self.kinds:
            own = np.array([place[0] == kind for place in self.places])
            least = float(costs[own].min())
            costs[own] -= least
            constant += edges * least
        return Fitted(constant, costs)

    def table(self, costs: Sequence[float]) -> dict[str, list[list[float]]]:
        """Return the unknowns, once they are known, as in a table: for each kind edges x operations."""
        width = len(self.cell.operations)
        rows = {kind: [[0.0] * width for _ in self.cell.edges] for kind in self.kinds}
        for (kind, edge, column), cost in zip(self.places, costs, strict=True):
            rows[kind][edge][column] = cost
        return rows


def _members(labels: Sequence[Hashable]) -> np.ndarray:
    """Return which items have each label: items x labels, zeros and ones."""
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    members: np.ndarray = np.eye(len(numbers))[[numbers[label] for label in labels]]
    return members
