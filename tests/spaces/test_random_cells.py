"""Cells drawn at random, and their neighbours."""

from __future__ import annotations

from random import Random

import pytest

from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.spaces import CELL_SPACES, CellSpace, get_cell_space, random_cell, random_neighbour


def edges(cell: CellGenotype) -> set[tuple[int, Edge]]:
    """Edges that compute something, each with its node."""
    return {(node, e) for node, incoming in enumerate(cell.nodes) for e in incoming if e.operation != "none"}


def check(cell: CellGenotype, space: CellSpace) -> None:
    space.validate(Genotype({"normal": cell}, space=space.genotype_space))


@pytest.mark.parametrize("name", [name for name in CELL_SPACES if not get_cell_space(name).repeats])
def test_neighbours_are_valid_and_differ_on_one_edge(name: str) -> None:
    space, generator = get_cell_space(name), Random(0)
    for _ in range(40):
        cell = random_cell(space, generator)
        near = random_neighbour(cell, space, generator)
        check(cell, space)
        check(near, space)
        lost, gained = edges(cell) - edges(near), edges(near) - edges(cell)
        assert len(lost) <= 1
        assert len(gained) <= 1
        places = {(node, edge.predecessor) for node, edge in lost | gained}
        assert len(places) == 1


def test_every_neighbour_is_drawn() -> None:
    """In NAS-Bench-201 each of six edges has one of five operations: 24 neighbours, whatever the cell."""
    space, generator = get_cell_space("nasbench201"), Random(0)
    nodes = tuple(tuple(Edge("none", state) for state in range(node)) for node in range(1, 4))
    cell = CellGenotype(nodes, space.concat, space.inputs)
    check(cell, space)
    assert len({random_neighbour(cell, space, generator) for _ in range(500)}) == 24
