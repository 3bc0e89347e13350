from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
import torch

from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.spaces import CellSpace, Space, get_skeleton, get_space


@pytest.fixture(autouse=True)
def one_thread_fixed_seed() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> Space:
    """Two nodes, five operations, five cells of 4 to 16 channels."""
    operations = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5")
    cell = CellSpace("tiny", operations, nodes=2)
    return Space("cifar-tiny", cell, get_skeleton("cifar").with_size(1, 8, 16))


@pytest.fixture(scope="session")
def small_space() -> Callable[[str], Space]:
    def make(cell: str) -> Space:
        return get_space(f"cifar-{cell}").with_size(1, 8, 16)

    return make


@pytest.fixture(scope="session")
def draw_genotype() -> Callable[[CellSpace, int], Genotype]:
    """Draw a genotype of a space from a seed."""

    def draw(cell: CellSpace, seed: int) -> Genotype:
        rng = random.Random(seed)
        cells = {}
        for kind in ("normal", "reduction"):
            nodes = []
            for state in cell.states:
                count = rng.randint(0, state) if cell.kept == "any" else cell.kept_edges(state)
                predecessors = rng.sample(
                    cell.predecessors(state), count
                )  # in any order: a genotype's edges are a set
                nodes.append(tuple(Edge(rng.choice(cell.choices), p) for p in predecessors))
            cells[kind] = CellGenotype(tuple(nodes), cell.concat, cell.inputs)
        return Genotype(cells, f"random {seed}", cell.name)

    return draw
