"""Networks can be traced and scripted by torch's own tools, with the same logits."""

from dataclasses import replace
from functools import partial
from itertools import cycle
from random import Random

import pytest
import torch

from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import build, build_handcrafted
from autodas.spaces import get_skeleton, get_space, random_cell
from autodas.zoo import load_genotype

SPACES = ("cifar-o2d", "cifar-darts", "imagenet-snas", "video-o2d_video", "video-o3d", "video-oadv")
pytestmark = [pytest.mark.filterwarnings("ignore:The TorchScript type system:UserWarning"), pytest.mark.slow]


def random_network(name: str, seed: int = 1) -> tuple[torch.nn.Module, torch.Tensor]:
    """Two cells that reduce, with all operations in turn: some with a stride, some without."""
    space = get_space(name).with_size(0, 8, 16)
    operations, cells = cycle(space.cell.choices), {}
    for kind in space.kinds:
        drawn = random_cell(space.cell, Random(seed))
        nodes = []
        for node, state in zip(drawn.nodes, space.cell.states, strict=True):
            every = space.cell.predecessors(state) if space.cell.kept == "any" else None
            predecessors = every or [edge.predecessor for edge in node]
            nodes.append(tuple(Edge(next(operations), predecessor) for predecessor in predecessors))
        cells[kind] = CellGenotype(tuple(nodes), drawn.concat)
    used = {edge.operation for cell in cells.values() for _, edge in cell.edges()}
    assert used == set(space.cell.choices)
    network = build(Genotype(cells, "random", space.cell.name), space.skeleton, classes=4, channels=3)
    # Odd maps, so that reductions meet a size that is not divisible.
    size = (8, 19, 17) if space.skeleton.dimensions == 3 else (19, 17)
    return network.eval(), torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def zoo_network() -> tuple[torch.nn.Module, torch.Tensor]:
    genotype = load_genotype("hdas_cifar_darts_v1")
    # Of the graphs, the first two cells do.
    stages = {kind: CellGenotype(stage.nodes[:2], (2, 3)) for kind, stage in genotype.stages.items()}
    network = build(replace(genotype, stages=stages), get_skeleton("cifar_graph").with_size(1, 8, 16))
    return network.eval(), torch.randn(2, 3, 32, 32)


def handcrafted_network() -> tuple[torch.nn.Module, torch.Tensor]:
    network = build_handcrafted("senet-3d", width=0.0625)
    for number, stage in enumerate(network.stages):
        # After the first two blocks come many like the second.
        network.stages[number] = stage[:2] if number else stage
    return network.eval(), torch.randn(1, 3, 4, 32, 32)


CASES = {
    **{name: partial(random_network, name) for name in SPACES},
    "stage graphs": zoo_network,
    "hand-crafted": handcrafted_network,
}


@pytest.mark.parametrize("case", CASES)
def test_traced_and_scripted_networks_give_the_same_logits(case: str) -> None:
    network, x = CASES[case]()
    expected = network(x)
    assert torch.equal(torch.fx.symbolic_trace(network)(x), expected)
    scripted = torch.jit.script(network)
    assert torch.equal(scripted(x), expected)
    # Another size than any that was seen: nothing of the map is frozen in.
    other = torch.randn(1, *x.shape[1:-2], x.shape[-2] - 1, x.shape[-1] + 1)
    assert torch.equal(scripted(other), network(other))
