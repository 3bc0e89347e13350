"""Random cells."""

from __future__ import annotations

from random import Random

from autodas.genotype import CellGenotype, Edge
from autodas.spaces._cell import CellSpace


def random_cell(cell: CellSpace, generator: Random) -> CellGenotype:
    """Draw a cell uniformly from all valid ones.

    Args:
        cell: the cell space.
        generator: Python's random number generator.
    """
    nodes = []
    for state in cell.states:
        if cell.kept == "any":
            options = [*cell.choices] if cell.none_is_a_choice else [*cell.choices, "none"]
            drawn = [Edge(generator.choice(options), p) for p in cell.predecessors(state)]
            nodes.append(tuple(edge for edge in drawn if edge.operation != "none"))
        else:
            predecessors = sorted(generator.sample(cell.predecessors(state), cell.kept_edges(state)))
            nodes.append(tuple(Edge(generator.choice(cell.choices), p) for p in predecessors))
    return CellGenotype(tuple(nodes), cell.concat, cell.inputs)
