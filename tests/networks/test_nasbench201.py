"""The network of NAS-Bench-201, against its published count and a second program of plain functions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.benchmark_string import read_benchmark_string
from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import build, profile
from autodas.spaces import get_skeleton
from autodas.zoo import load_zoo

SKELETON = get_skeleton("nasbench201")
CONVOLUTIONS = read_benchmark_string(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
MIXED = read_benchmark_string(
    "|nor_conv_1x1~0|+|avg_pool_3x3~0|none~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"
)


@pytest.mark.slow
def test_the_published_number_of_parameters() -> None:
    counted = profile(CONVOLUTIONS, SKELETON, auxiliary=False)
    assert counted.parameters == 1_531_546
    assert [stage.cells for stage in counted.stages] == [0, 5, 0, 5, 0, 5, 0]
    # By hand: stem, six convolutions a cell, blocks, last normalisation, classifier.
    cells = [5 * 6 * (9 * c * c + 2 * c) for c in (16, 32, 64)]
    blocks = [9 * c * 2 * c + 9 * 4 * c * c + 2 * c * c + 8 * c for c in (16, 32)]
    assert [stage.parameters for stage in counted.stages] == [
        9 * 3 * 16 + 32,
        cells[0],
        blocks[0],
        cells[1],
        blocks[1],
        cells[2],
        128 + 650,
    ]


def by_hand(weights: dict[str, Tensor], x: Tensor, K: int, cell: CellGenotype) -> Tensor:
    """Compute the network in evaluation mode from its tensors."""

    def norm(x: Tensor, name: str) -> Tensor:
        get = [weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *get)

    def relu_conv_norm(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.conv.weight"]
        return norm(F.conv2d(x.relu(), weight, stride=stride, padding=weight.shape[-1] // 2), f"{name}.norm")

    def edge(x: Tensor, operation: str, name: str) -> Tensor:
        if operation.startswith("nor_conv"):
            return relu_conv_norm(x, name)
        if operation == "avg_pool_3x3":  # no normalisation after it
            return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return x

    x = norm(F.conv2d(x, weights["stem.conv.weight"], padding=1), "stem.norm")
    for index in range(3 * K + 2):
        place = f"cells.{index}"
        if index in (K, 2 * K + 1):
            side = F.conv2d(F.avg_pool2d(x, 2), weights[f"{place}.shortcut.1.weight"])
            x = side + relu_conv_norm(relu_conv_norm(x, f"{place}.first", 2), f"{place}.second")
            continue
        states = [x]
        for i, node in enumerate(cell.nodes):
            kept = [e for e in node if e.operation != "none"]
            terms = [
                edge(states[e.predecessor], e.operation, f"{place}.nodes.{i}.{j}") for j, e in enumerate(kept)
            ]
            states.append(sum(terms, torch.zeros_like(x)))
        x = states[-1]
    x = norm(x, "last.0").relu().mean((2, 3))
    return x @ weights["classifier.weight"].T + weights["classifier.bias"]


@pytest.mark.parametrize("genotype", [CONVOLUTIONS, MIXED])
@torch.no_grad()
def test_what_it_computes(genotype: Genotype) -> None:
    network = build(genotype, SKELETON.with_size(K=1, C2=32), channels=2, classes=4).double()
    x = torch.randn(5, 2, 8, 8, dtype=torch.float64)
    network.train()(x)
    weights = {name: tensor.double() for name, tensor in network.eval().state_dict().items()}
    torch.testing.assert_close(
        network(x), by_hand(weights, x, 1, genotype.cells["normal"]), rtol=0, atol=1e-12
    )


@torch.no_grad()
def test_odd_maps() -> None:
    network = build(MIXED, SKELETON.with_size(K=1, C2=16), form="search").eval()
    sizes = [tuple(y.shape[-2:]) for y in network.run_cells(torch.randn(1, 3, 7, 9))]
    assert sizes == [(7, 9), (4, 5), (4, 5), (2, 3), (2, 3)]


def test_cells_and_skeletons_that_do_not_belong_together() -> None:
    with pytest.raises(AutodasError, match=r"cells\.normal has 1 inputs; .* `skeleton.name=nasbench201`"):
        build(MIXED, get_skeleton("cifar"))
    with pytest.raises(
        AutodasError, match=r"cells\.normal has 2 inputs; .*'nasbench201' are stacked of cells with 1"
    ):
        build(load_zoo("darts_v2"), SKELETON)
    wide = CellGenotype((((Edge("skip_connect", 0)),), (Edge("skip_connect", 0),)), (1, 2), 1)
    with pytest.raises(AutodasError, match="concatenates 2 states"):
        build(Genotype({"normal": wide}), SKELETON)
