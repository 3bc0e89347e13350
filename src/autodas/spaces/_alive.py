"""Which candidates of a relaxed cell take part."""

from __future__ import annotations

from autodas.genotype import CellGenotype
from autodas.spaces._cell import CellSpace

Alive = tuple[tuple[bool, ...], ...]
"""Edges x operations, on the host: which candidates take part."""


def all_alive(cell: CellSpace) -> Alive:
    """Return the mask in which every candidate of every edge takes part."""
    return tuple(tuple(True for _ in cell.operations) for _ in cell.edges)


def alive_of(genotype: CellGenotype, cell: CellSpace) -> Alive:
    """Return the mask in which exactly the edges of a discrete cell take part."""
    kept = {
        (edge.predecessor, cell.inputs + i): edge.operation
        for i, node in enumerate(genotype.nodes)
        for edge in node
    }
    return tuple(tuple(kept.get(edge) == name for name in cell.operations) for edge in cell.edges)
