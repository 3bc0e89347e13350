"""Edges of a cell that cost something."""

from __future__ import annotations

from autodas.genotype import CellGenotype
from autodas.spaces import CellSpace, alive_of


def chosen_columns(genotype: CellGenotype, cell: CellSpace) -> dict[int, int]:
    """Return the edges of a discrete cell but those with ``none``, each with the column of its operation.

    Args:
        genotype: the cell.
        cell: its space.
    """
    return {
        edge: row.index(True)
        for edge, row in enumerate(alive_of(genotype, cell))
        if any(row) and cell.operations[row.index(True)] != "none"
    }


def live_columns(genotype: CellGenotype, cell: CellSpace) -> dict[int, int]:
    """Return those of :func:`chosen_columns` that take part in the output of the cell.

    Left out are edges from which no path leads to the output, and those to which no path leads from the
    inputs: some runtimes remove them.

    Args:
        genotype: the cell.
        cell: its space.
    """
    columns = chosen_columns(genotype, cell)
    reached = set(range(cell.inputs))
    for edge in sorted(columns):  # by state
        predecessor, state = cell.edges[edge]
        if predecessor in reached:
            reached.add(state)
    needed = set(genotype.concat)
    for edge in sorted(columns, reverse=True):
        predecessor, state = cell.edges[edge]
        if state in needed:
            needed.add(predecessor)
    return {
        edge: column
        for edge, column in columns.items()
        if cell.edges[edge][0] in reached and cell.edges[edge][1] in needed
    }
