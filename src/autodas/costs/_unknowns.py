"""Unknown costs of a table, and how often architectures contain each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autodas.costs._live import chosen_columns, live_columns
from autodas.genotype import Genotype
from autodas.spaces import CellSpace, Skeleton


class Group(NamedTuple):
    """Costs that are expected to be similar: those of one operation, of one stride, in cells of one kind.

    Attributes:
        kind: kind of the cells.
        operation: the operation.
        reduces: whether it reduces the size of its maps.
    """

    kind: str
    operation: str
    reduces: bool

    def __str__(self) -> str:
        where = "reducing edges" if self.reduces else "edges"
        return f"'{self.operation}' on {where} of {self.kind} cells"


@dataclass(frozen=True)
class Unknowns:
    """Costs that a table needs: those of all operations but ``none`` on all edges of all kinds of cells.

    Args:
        cell: the cell space.
        kinds: kinds of cells.
        reducing: those of them that reduce the size of their maps, on edges that leave their inputs.
    """

    cell: CellSpace
    places: tuple[tuple[str, int, int], ...]
    groups: tuple[Group, ...]
    group_of: np.ndarray

    @classmethod
    def of(cls, cell: CellSpace, kinds: Sequence[str], skeleton: Skeleton) -> Unknowns:
        """Return the unknowns of a cell space in a skeleton."""
        reducing = {slot.kind for slot in skeleton.slots() if slot.reduces}
        columns = [column for column, name in enumerate(cell.operations) if name in cell.choices]
        columns = [column for column in columns if cell.operations[column] != "none"]
        edges = range(len(cell.edges))
        places = tuple((kind, edge, column) for kind in kinds for edge in edges for column in columns)
        members = [
            Group(kind, cell.operations[column], kind in reducing and cell.edges[edge][0] < cell.inputs)
            for kind, edge, column in places
        ]
        groups = tuple(dict.fromkeys(members))
        numbers = {group: number for number, group in enumerate(groups)}
        return cls(cell, places, groups, np.array([numbers[group] for group in members]))

    def counted(self, genotypes: Sequence[Genotype], dead_parts: bool) -> np.ndarray:
        """Return which unknowns architectures contain: architectures x unknowns, zeros and ones.

        Args:
            genotypes: the architectures.
            dead_parts: whether edges count that do not contribute to a cell's output.
        """
        columns_of = chosen_columns if dead_parts else live_columns
        number = {place: i for i, place in enumerate(self.places)}
        counted = np.zeros((len(genotypes), len(self.places)))
        for row, genotype in zip(counted, genotypes, strict=True):
            for kind in dict.fromkeys(kind for kind, _, _ in self.places):
                for edge, column in columns_of(genotype.cells[kind], self.cell).items():
                    row[number[kind, edge, column]] = 1.0
        return counted

    def costs(self, values: Sequence[float]) -> Mapping[str, list[list[float]]]:
        """Return the costs of a table, 0 for ``none``: for each kind edges x operations."""
        costs: dict[str, list[list[float]]] = {}
        for (kind, edge, column), value in zip(self.places, values, strict=True):
            empty = [[0.0] * len(self.cell.operations) for _ in self.cell.edges]
            costs.setdefault(kind, empty)[edge][column] = float(value)
        return costs
