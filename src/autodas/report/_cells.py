"""What a drawing shows, whether the cell is finished or not."""

from __future__ import annotations

from dataclasses import dataclass

from autodas.genotype import Genotype


@dataclass(frozen=True)
class DrawnEdge:
    """One line of a drawing.

    Args:
        predecessor: the state that is read.
        state: the node that reads it.
        operation: the operation on the edge, or ``None`` while it is undecided.
    """

    predecessor: int
    state: int
    operation: str | None


@dataclass(frozen=True)
class DrawnCell:
    """One picture.

    Args:
        kind: kind of the cell, such as ``"normal"``.
        inputs: number of input states.
        nodes: number of intermediate nodes.
        edges: the edges that are not removed; one node may read one state more than once.
        concat: the states whose concatenation is the output.
    """

    kind: str
    inputs: int
    nodes: int
    edges: tuple[DrawnEdge, ...]
    concat: tuple[int, ...]


def cells_of_genotype(genotype: Genotype) -> tuple[DrawnCell, ...]:
    """Return one picture for each kind of cell of a genotype."""
    return tuple(
        DrawnCell(
            kind=kind,
            inputs=cell.inputs,
            nodes=len(cell.nodes),
            edges=tuple(DrawnEdge(edge.predecessor, state, edge.operation) for state, edge in cell.edges()),
            concat=cell.concat,
        )
        for kind, cell in genotype.cells.items()
    )
