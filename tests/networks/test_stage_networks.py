"""Networks of stage graphs and of cells of their own for each stage (H-DAS)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.networks import build, count_parameters, profile
from autodas.operations import Pool
from autodas.spaces import get_skeleton
from autodas.zoo import load_zoo

pytestmark = pytest.mark.slow

CIFAR, IMAGENET = load_zoo("hdas_cifar_darts_v1"), load_zoo("hdas_imagenet_darts_v1")


class TestPublishedCounts:
    """Of the layers of the public code with the published genotypes, counted outside this project."""

    def test_stage_graph_on_cifar(self) -> None:
        counted = profile(CIFAR, get_skeleton("cifar").with_size(6, 108, 144))
        assert counted.parameters_with_auxiliary == 4_697_796
        assert counted == profile(CIFAR, get_skeleton("cifar_graph").with_size(C2=144))
        assert [stage.cells for stage in counted.stages] == [0, 6, 1, 6, 1, 6, 0]
        assert sum(stage.parameters for stage in counted.stages) == counted.parameters

    def test_pools_of_cells_and_of_graphs(self) -> None:
        with torch.device("meta"):
            network = build(CIFAR, get_skeleton("cifar").with_size(6, 108, 144), auxiliary=True)
        within = 0
        for name, module in network.named_modules():
            reductions = name.startswith(("cells.1.", "cells.3."))
            if isinstance(module, Pool) and (".inner." in name or reductions):
                within += count_parameters(module)
        assert count_parameters(network) - within == 4_695_636

    def test_other_cells(self) -> None:
        genotype = replace(load_zoo("darts_v2"), stages=CIFAR.stages)
        assert profile(genotype, get_skeleton("cifar_graph").with_size(C2=128)).parameters == 3_499_338

    def test_stage_graph_on_imagenet(self) -> None:
        genotype = replace(load_zoo("darts_v2"), stages=IMAGENET.stages)
        # C = 39 is odd; the first convolution of the stem has half of it, rounded down.
        counted = profile(genotype, get_skeleton("imagenet_graph").with_size(C2=156), classes=1000)
        assert counted.parameters == 5_150_682
        assert f"{counted.multiply_adds / 1e6:.1f}" == "555.4"

    def test_cells_for_each_stage(self) -> None:
        genotype = load_zoo("hdas_cells")
        counted = profile(genotype, get_skeleton("cifar_stages").with_size(6, 84, 112))
        assert counted.parameters == 2_293_686
        plain = get_skeleton("cifar").with_size(6, 84, 112)
        assert profile(genotype, plain, pool_norm="affine") == counted
        imagenet = profile(genotype, get_skeleton("imagenet_stages"), classes=1000)
        assert f"{imagenet.parameters / 1e6:.2f} {imagenet.multiply_adds / 1e6:.1f}" == "5.18 578.8"


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_what_a_stage_computes(training: bool) -> None:
    network = build(CIFAR, get_skeleton("cifar_graph").with_size(C2=16), channels=2).double().train(training)
    x, _ = network.stem(torch.randn(3, 2, 8, 8, dtype=torch.float64))
    cells = list(network.cells)
    for graph, reduction, stage in ((cells[0], cells[1], "stage1"), (cells[2], cells[3], "stage2")):
        states: list[Tensor] = [graph.preprocess0(x), graph.preprocess1(x)]
        for number, node in enumerate(CIFAR.stages[stage].nodes):
            in_order = sorted(node, key=lambda edge: edge.predecessor)
            total = sum(
                operation(states[edge.predecessor])
                for operation, edge in zip(graph.nodes[number], in_order, strict=True)
            )
            states.append(graph.inner[number](total, total))
        expected = torch.cat(states[-2:], dim=1)
        assert states[0].shape[1] == states[-1].shape[1] == expected.shape[1] // 2
        if not training:  # in training a second pass moves the statistics, not the result
            assert torch.equal(graph(x, x), expected)
        torch.testing.assert_close(graph(x, x), expected, rtol=0, atol=1e-12)
        x = reduction(expected, expected)
        assert x.shape[1] == 2 * states[0].shape[1]


def test_the_whole_network() -> None:
    network = build(CIFAR, get_skeleton("cifar_graph").with_size(C2=16), channels=2).eval()
    x = torch.randn(2, 2, 8, 8)
    y, _ = network.stem(x)
    for cell in network.cells:  # each reads the one before it alone
        y = cell(y, y)
    assert torch.equal(network(x), network.classify(y))
    assert network.classifier.in_features == 32 * 4


class _Sum(nn.Module):
    """Stands where a cell does, and shows the sum that it gets."""

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        assert before is previous
        return before


def test_drop_path_acts_on_pools_between_cells_but_not_on_identities() -> None:
    network = build(CIFAR, get_skeleton("cifar_graph").with_size(C2=16)).train()
    network.set_drop_path(1 - 1e-9)  # every pool of every picture is left out
    graph = network.cells[0]
    assert all(cell.drop_path == graph.drop_path for cell in graph.inner)
    graph.inner = nn.ModuleList(_Sum() for _ in graph.inner)
    x = torch.randn(8, 16, 4, 4)
    states = [graph.preprocess0(x), graph.preprocess1(x)]
    for node in CIFAR.stages["stage1"].nodes:
        identities = [states[edge.predecessor] for edge in node if edge.operation == "skip_connect"]
        states.append(sum(identities, torch.zeros_like(x)))
    torch.testing.assert_close(graph(x, x), torch.cat(states[-2:], dim=1))


def test_what_is_missing_is_named() -> None:
    skeleton = get_skeleton("cifar_graph")
    with pytest.raises(
        AutodasError, match="has no stage graph stage1, stage2, stage3, which skeleton 'cifar_g"
    ):
        build(load_zoo("darts_v2"), skeleton)
    with pytest.raises(AutodasError, match="no cell of kind reduction"):
        build(replace(CIFAR, cells={"normal": CIFAR.cells["normal"]}), skeleton)
