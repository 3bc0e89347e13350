"""Supernets of stage graphs and of one-input cells: both engines, pruning, and the network that remains."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import Cell
from autodas.operations import Pool
from autodas.spaces import Space, alive_of, all_alive, get_skeleton, get_space, random_cell, stage_space
from autodas.supernet import CellMixture, Supernet, genotype_mixture, mixture_of
from autodas.zoo import load_zoo

pytestmark = pytest.mark.slow

GRAPHS = stage_space(get_skeleton("cifar_graph").with_size(K=3, C2=16))
BENCHMARK = get_space("nasbench201").with_size(K=1, C2=16)
CELLS = load_zoo("darts_v1")


def make(space: Space, cells: Genotype = CELLS, **options: object) -> Supernet:
    given = cells if space.skeleton.graphs else None
    return Supernet(space, classes=5, channels=2, cells=given, **options)  # type: ignore[arg-type]


def draw(space: Space, seed: int, cells: Genotype = CELLS) -> Genotype:
    generator = random.Random(seed)
    drawn = {kind: random_cell(space.cell, generator) for kind in space.kinds}
    genotype = replace(cells, stages=drawn) if space.skeleton.graphs else Genotype(drawn)
    space.validate(genotype)
    return genotype


def random_mixture(space: Space, share: float) -> tuple[dict[str, CellMixture], list[torch.Tensor]]:
    shape, mixture, leaves = (len(space.cell.edges), len(space.cell.operations)), {}, []
    for kind in space.kinds:
        active = tuple(tuple(row) for row in (torch.rand(shape) < share).tolist())
        weights = torch.rand(shape, dtype=torch.float64, requires_grad=True)
        factors = torch.rand(shape[0], dtype=torch.float64, requires_grad=True)
        mixture[kind] = CellMixture(weights, active, factors)
        leaves += [weights, factors]
    return mixture, leaves


@pytest.mark.parametrize("space", [GRAPHS, BENCHMARK], ids=lambda space: space.name)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("share", "partial"), [(0.0, 1), (0.4, 1), (0.4, 2), (1.0, 2)])
def test_the_engines_agree(space: Space, training: bool, share: float, partial: int) -> None:
    torch.manual_seed(int(10 * share) + training)
    supernet = make(space, partial_channels=partial).double().train(training)
    mixture, leaves = random_mixture(space, share)
    x, labels = torch.randn(3, 2, 8, 8, dtype=torch.float64), torch.randint(5, (3,))
    start = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    found = {}
    for engine in ("reference", "fused"):
        supernet.load_state_dict(start)
        with supernet.computed_by(engine):
            logits = supernet(x, mixture)
            inputs = [*leaves, *supernet.parameters()]
            gradients = torch.autograd.grad(F.cross_entropy(logits, labels), inputs, allow_unused=True)
        whole = [torch.zeros_like(p) if g is None else g for p, g in zip(inputs, gradients, strict=True)]
        state = supernet.state_dict()
        statistics = [state[name].clone() for name in start if "running" in name]
        found[engine] = [logits.detach(), *whole, *statistics]
    largest = max(t.abs().max().item() for t in found["reference"][1 : 1 + len(whole)])
    for reference, fused in zip(found["reference"], found["fused"], strict=True):
        # A gradient that is zero but for rounding has no size of its own to compare with.
        scale = max(reference.abs().max().item(), 1e-4 * largest)
        assert (reference - fused).abs().max() <= 1e-10 * scale


@pytest.mark.parametrize(
    ("space", "cells", "partial"),
    [
        (GRAPHS, "darts_v1", 1),
        (GRAPHS, "darts_v1", 2),
        (GRAPHS, "hdas_cells", 1),
        (BENCHMARK, "darts_v1", 1),
        (BENCHMARK, "darts_v1", 2),
    ],
)
@torch.no_grad()
def test_the_network_that_remains_is_equal_to_the_bit(space: Space, cells: str, partial: int) -> None:
    given = load_zoo(cells)
    everything = mixture_of({kind: all_alive(space.cell) for kind in space.kinds})
    for seed in range(2):
        torch.manual_seed(seed)
        supernet = make(space, given, partial_channels=partial).train()
        supernet(torch.randn(4, 2, 8, 8), everything)
        genotype = draw(space, seed, given)
        mixture = genotype_mixture(genotype, space.cell)
        x = torch.randn(3, 2, 8, 8)
        before = supernet.eval()(x, mixture)
        assert torch.equal(supernet.extract(genotype)(x), before)
        searched = genotype.stages or genotype.cells
        supernet.prune({kind: alive_of(cell, space.cell) for kind, cell in searched.items()})
        assert torch.equal(supernet(x, mixture), before)
        network = supernet.train().extract(genotype)
        assert torch.equal(network(x), supernet(x, mixture))
        other = make(space, given, partial_channels=partial)
        with pytest.raises(AutodasError, match="another supernet"):
            other.load_tensors(supernet.state_dict())
        other.prune({kind: alive_of(cell, space.cell) for kind, cell in searched.items()})
        other.load_tensors(supernet.state_dict())
        assert torch.equal(other.eval()(x, mixture), supernet.eval()(x, mixture))


@pytest.mark.parametrize("engine", ["reference", "fused"])
@torch.no_grad()
def test_outputs_after_so_many_cells_are_mixed(engine: str) -> None:
    space = stage_space(get_skeleton("cifar_graph").with_size(K=4, C2=16), lengths=(2, 4))
    supernet = make(space, engine=engine).double().eval()
    mixture, _ = random_mixture(space, 1.0)
    x = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    graph = supernet.relaxed_cells()[0]
    ends = []
    for weights in ([1.0, 0.0], [0.0, 1.0], [0.3, 0.7]):
        outputs = torch.tensor(weights, dtype=torch.float64)
        ends.append(graph(x, x, {"stage1": replace(mixture["stage1"], outputs=outputs)}))
    torch.testing.assert_close(ends[2], 0.3 * ends[0] + 0.7 * ends[1], rtol=0, atol=1e-12)
    # The output after four cells is that of a graph without a choice.
    assert torch.equal(ends[1], graph(x, x, {"stage1": mixture["stage1"]}))
    assert not torch.equal(ends[0], ends[1])


@torch.no_grad()
def test_a_shorter_graph_is_equal_to_the_bit() -> None:
    space = stage_space(get_skeleton("cifar_graph").with_size(K=4, C2=16), lengths=(2, 3, 4))
    supernet = make(space).train()
    generator = random.Random(0)
    drawn = {
        kind: random_cell(stage_space(space.skeleton.with_size(K=nodes)).cell, generator)
        for kind, nodes in zip(space.kinds, (3, 2, 4), strict=True)
    }
    genotype = replace(CELLS, stages=drawn)
    space.validate(genotype)
    mixture = genotype_mixture(genotype, space.cell)
    supernet(torch.randn(4, 2, 8, 8), mixture)
    x = torch.randn(3, 2, 8, 8)
    network = supernet.eval().extract(genotype)
    assert torch.equal(network(x), supernet(x, mixture))
    supernet.prune({kind: alive_of(cell, space.cell) for kind, cell in drawn.items()})
    assert torch.equal(network(x), supernet(x, mixture))


def test_what_is_searched_and_what_is_given() -> None:
    supernet = make(GRAPHS)
    assert [cell.slot.part for cell in supernet.relaxed_cells()] == ["stage1", "stage2", "stage3"]
    assert [type(cell) for cell in (supernet.cells[1], supernet.cells[3])] == [Cell, Cell]
    graph = supernet.relaxed_cells()[1]
    assert list(graph.edges) == ["0-2", "1-2", "0-3", "1-3", "2-3", "1-4", "2-4", "3-4"]
    # Given cells are normalised as in training, what is searched is not affine.
    given, searched = set(), set()
    for name, module in supernet.named_modules():
        if isinstance(module, Pool):
            (given if ".inner." in name or ".nodes." in name else searched).add(module.norm.affine)
    assert (given, searched) == ({True}, {False})
    assert not graph.preprocess0.norm.affine


def test_checkpointed_stages_give_the_same() -> None:
    found = []
    for checkpoint in (False, True):
        torch.manual_seed(1)
        supernet = make(GRAPHS, engine="fused", checkpoint=checkpoint).train()
        mixture, leaves = random_mixture(GRAPHS, 1.0)
        logits = supernet.double()(torch.randn(3, 2, 8, 8, dtype=torch.float64), mixture)
        logits.square().sum().backward()
        gradients = [p.grad for p in supernet.parameters()] + [leaf.grad for leaf in leaves]
        found.append([logits.detach(), *gradients, *(b for _, b in supernet.named_buffers())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_cells_that_do_not_fit() -> None:
    with pytest.raises(AutodasError, match="has no cell of kind reduction"):
        make(GRAPHS, Genotype({"normal": CELLS.cells["normal"]}))
    with pytest.raises(
        AutodasError, match="space 'nasbench201' searches cells and does not accept given ones"
    ):
        Supernet(BENCHMARK, cells=CELLS)
    with pytest.raises(AutodasError, match="wires given cells"):
        Supernet(GRAPHS)


def test_cells_of_another_width_make_wider_nodes() -> None:
    # NASNet's normal cell concatenates five nodes: the states of the graph have 5 w channels.
    supernet = make(GRAPHS, load_zoo("nasnet"))
    graph = supernet.relaxed_cells()[0]
    assert graph.slot.width == 5 * GRAPHS.skeleton.width
    everything = mixture_of({kind: all_alive(GRAPHS.cell) for kind in GRAPHS.kinds})
    assert supernet(torch.randn(2, 2, 8, 8), everything).shape == (2, 5)
