"""Contents of a drawing, of a finished or unfinished cell."""

from __future__ import annotations

from dataclasses import dataclass

from autodas.genotype import Genotype


@dataclass(frozen=True)
class DrawnEdge:
    """Edge of a drawing.

    Args:
        predecessor: state that is read.
        state: node that reads it.
        operation: operation on the edge, or ``None`` while it is undecided.
    """

    predecessor: int
    state: int
    operation: str | None


@dataclass(frozen=True)
class DrawnCell:
    """Cell or stage graph to be drawn.

    Args:
        kind: kind of the cell, such as ``"normal"``.
        inputs: number of input states.
        nodes: number of intermediate nodes.
        edges: edges that are not removed; a node may read the same state more than once.
        concat: states whose concatenation is the output.
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
        """Title of the drawing."""
        return f"{self.kind} graph" if self.graph else f"{self.kind} cell"


def cells_of_genotype(genotype: Genotype) -> tuple[DrawnCell, ...]:
    """Return a drawn cell for each kind of cell of a genotype, then one for each stage graph."""
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
