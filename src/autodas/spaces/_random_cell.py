"""Random cells."""

from __future__ import annotations

from random import Random

from autodas.genotype import CellGenotype, Edge
from autodas.spaces._alive import alive_of, cell_of
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


def random_neighbour(given: CellGenotype, cell: CellSpace, generator: Random) -> CellGenotype:
    """Draw a cell that differs from a given one in the operation of one edge, uniformly.

    Where a node may keep any edges, an edge can also appear or disappear, and where ``none`` is a choice, it
    takes part.

    Args:
        given: the cell.
        cell: its space.
        generator: Python's random number generator.
    """
    free = cell.kept == "any"  # there an absent edge is one with "none"
    operations = {
        edge: cell.operations[row.index(True)] for edge, row in enumerate(alive_of(given, cell)) if any(row)
    }
    edge = generator.choice([*range(len(cell.edges))] if free else sorted(operations))
    before = operations.pop(edge, "none")
    others = [name for name in cell.choices if name not in (before, "none")]
    if before != "none" and (free or cell.none_is_a_choice):
        others.append("none")
    operations[edge] = generator.choice(others)
    return cell_of(
        {
            e: cell.operations.index(operations[e])
            for e in sorted(operations)
            if not free or operations[e] != "none"
        },
        cell,
    )
