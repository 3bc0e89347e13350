"""Masks of the candidates of a relaxed cell."""

from __future__ import annotations

from collections.abc import Mapping

from autodas.genotype import CellGenotype, Edge
from autodas.spaces._cell import CellSpace

Alive = tuple[tuple[bool, ...], ...]
"""Mask of the active candidates, edges x operations, on the host."""


def all_alive(cell: CellSpace) -> Alive:
    """Return the mask with every candidate of every edge."""
    return tuple(tuple(True for _ in cell.operations) for _ in cell.edges)


def cell_of(columns: Mapping[int, int], cell: CellSpace) -> CellGenotype:
    """Return the discrete cell with the given edges, each with the column of its operation."""
    nodes = [
        tuple(
            Edge(cell.operations[columns[edge]], cell.edges[edge][0])
            for edge in cell.incoming(state)
            if edge in columns
        )
        for state in cell.states
    ]
    return CellGenotype(tuple(nodes), cell.concat, cell.inputs)


def alive_of(genotype: CellGenotype, cell: CellSpace) -> Alive:
    """Return the mask with exactly the edges of a discrete cell."""
    kept = {
        (edge.predecessor, cell.inputs + i): edge.operation
        for i, node in enumerate(genotype.nodes)
        for edge in node
    }
    return tuple(tuple(kept.get(edge) == name for name in cell.operations) for edge in cell.edges)
