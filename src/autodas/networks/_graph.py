"""Stage graphs: cells whose nodes are whole cells (H-DAS)."""

from __future__ import annotations

from dataclasses import replace

from autodas.genotype import CellGenotype, Genotype
from autodas.networks._cell import Cell, CellInputs
from autodas.networks._norms import given_norms
from autodas.spaces import CellSlot, Skeleton


def graph_slot(slot: CellSlot, cell: CellGenotype) -> CellSlot:
    """Return the slot of a stage graph for its frame: a node is as wide as the output of a cell.

    Args:
        slot: position of the graph; its width is that of a node in a cell.
        cell: the cell that is used for its nodes.
    """
    return replace(slot, width=slot.width * len(cell.concat))


def cells_of_graph(
    skeleton: Skeleton, genotype: Genotype, slot: CellSlot, count: int | None = None
) -> list[Cell]:
    """Return the cells that are the nodes of a stage graph; each reads one sum of maps on both its inputs.

    Args:
        skeleton: skeleton of the graph.
        genotype: genotype of the cells.
        slot: position of the graph.
        count: number of cells; by default the number of nodes of the genotype's graph.
    """
    cell = genotype.cells[slot.kind]
    width = graph_slot(slot, cell).width
    if count is None:
        assert slot.graph is not None
        count = len(genotype.stages[slot.graph].nodes)
    inputs = CellInputs((width, width), (1,) * skeleton.dimensions)
    own = replace(slot, graph=None)
    return [Cell(cell, own, inputs, given_norms(skeleton)) for _ in range(count)]
