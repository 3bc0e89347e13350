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
        graph: whether it is a stage graph, whose nodes are whole cells.
    """

    kind: str
    inputs: int
    nodes: int
    edges: tuple[DrawnEdge, ...]
    concat: tuple[int, ...]
    graph: bool = False

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.kind} graph" if self.graph else f"{self.kind} cell"


def cells_of_genotype(genotype: Genotype) -> tuple[DrawnCell, ...]:
    """Return one picture for each kind of cell of a genotype, then one for each stage graph."""
    return tuple(
        DrawnCell(
            kind=kind,
            inputs=cell.inputs,
            nodes=len(cell.nodes),
            edges=tuple(DrawnEdge(edge.predecessor, state, edge.operation) for state, edge in cell.edges()),
            concat=cell.concat,
            graph=kind in genotype.stages,
        )
        for kind, cell in genotype.parts.items()
    )
