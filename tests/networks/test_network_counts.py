"""Parameters and multiply-adds: to the unit, and against a count by hand that knows nothing of modules."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
import torch
from torch import nn

from autodas.genotype import Genotype
from autodas.networks import Profile, build, count_parameters, multiply_adds_by_module, profile
from autodas.spaces import Skeleton, get_skeleton
from autodas.zoo import load_zoo, zoo_names

pytestmark = pytest.mark.slow

# SDAS, section 6.1: K=6, C1=108, C2=144 is DARTS' network of 20 cells with C=36.
CIFAR = get_skeleton("cifar").with_size(6, 108, 144)
# SDAS, section 6.2: K=4, C1=24, C2=192 is DARTS' network of 14 cells with C=48.
IMAGENET = get_skeleton("imagenet").with_size(4, 24, 192)
# P-DARTS (Chen et al., 2019): "large" is C=64, L=20.
LARGE = get_skeleton("cifar").with_size(6, 192, 256)

# Counted once, outside this project, on the layers of DARTS' public code with the published genotypes; the
# auxiliary head left out; multiply-adds (in millions) of convolutions and the last linear layer.
COUNTS = {
    "darts_v1": (3_169_414, "500.99", 4_510_432, "505.86"),
    "darts_v2": (3_349_342, "528.36", 4_718_752, "529.91"),
    "pdarts": (3_433_798, "532.17", 4_944_352, "542.82"),
    "pc_darts_cifar": (3_634_678, "556.67", 5_270_560, "571.14"),
    "snas_mild": (2_661_382, "422.22", 3_939_328, "438.04"),
    "snas_moderate": (2_847_358, "440.69", 4_312_576, "465.61"),
}


@cache
def full_size(name: str, skeleton: Skeleton, classes: int) -> Profile:
    return profile(load_zoo(name), skeleton, classes=classes)


@pytest.mark.parametrize("name", COUNTS)
class TestReferenceCounts:
    def test_cifar(self, name: str) -> None:
        counted = full_size(name, CIFAR, 10)
        parameters, multiply_adds, _, _ = COUNTS[name]
        assert counted.parameters == parameters
        assert f"{counted.multiply_adds / 1e6:.2f}" == multiply_adds
        assert counted.parameters_with_auxiliary - counted.parameters == 476_426

    def test_imagenet(self, name: str) -> None:
        counted = full_size(name, IMAGENET, 1000)
        _, _, parameters, multiply_adds = COUNTS[name]
        assert counted.parameters == parameters
        assert f"{counted.multiply_adds / 1e6:.2f}" == multiply_adds
        # With batch normalisation after the second convolution; without it 1,260,776.
        assert counted.parameters_with_auxiliary - counted.parameters == 1_262_312


@pytest.mark.parametrize(
    ("name", "skeleton", "classes", "printed"),
    [
        ("darts_v2", CIFAR, 10, "3.3"),  # DARTS, table 1
        ("darts_v2", IMAGENET, 1000, "4.7"),  # DARTS, table 3
        ("pdarts", CIFAR, 10, "3.4"),  # P-DARTS, table 1
        ("pdarts", IMAGENET, 1000, "4.9"),  # P-DARTS, table 2
        ("pc_darts_cifar", CIFAR, 10, "3.6"),  # PC-DARTS, table 1
        ("pc_darts_cifar", IMAGENET, 1000, "5.3"),  # PC-DARTS, table 2
        ("snas_moderate", CIFAR, 10, "2.8"),  # SNAS, table 1
    ],
)
def test_millions_as_printed(name: str, skeleton: Skeleton, classes: int, printed: str) -> None:
    assert f"{full_size(name, skeleton, classes).parameters / 1e6:.1f}" == printed


def test_large_pdarts() -> None:
    # P-DARTS, table 1, prints 10.5M; the count on its public layers is 10.52M.
    with torch.device("meta"):
        count = count_parameters(build(load_zoo("pdarts"), LARGE))
    assert f"{count / 1e6:.2f}" == "10.52"


def convolution_weights(operation: str, c: int, reduces: bool) -> int:
    """Weights of the convolutions of C channels (DARTS' public code, operations.py)."""
    kind, _, size = operation.rpartition("_")
    k = int(size[0]) if size[0].isdigit() else 0
    if kind == "sep_conv":
        return 2 * (k * k * c + c * c)
    if kind == "dil_conv":
        return k * k * c + c * c
    if operation == "skip_connect":
        return c * c if reduces else 0
    return 14 * c * c if operation == "conv_7x1_1x7" else 0


def norm_weights(operation: str, c: int, reduces: bool) -> int:
    if operation.startswith("sep_conv"):
        return 4 * c
    if operation.startswith("dil_conv") or operation == "conv_7x1_1x7":
        return 2 * c
    return 2 * c if operation == "skip_connect" and reduces else 0


def half(length: int) -> int:
    return (length + 1) // 2


def by_hand(genotype: Genotype, skeleton: Skeleton, classes: int, side: int) -> tuple[int, int]:
    """Parameters and multiply-adds from the formulas of the operations, cell by cell."""
    c1, c = skeleton.C1, skeleton.C2 // 4
    if skeleton.name == "cifar":
        parameters, multiply_adds = 27 * c1 + 2 * c1, 27 * c1 * side**2
        before, previous = c1, c1
    else:
        parameters = multiply_adds = 0
        for inputs, outputs in ((3, c1), (c1, 2 * c1), (2 * c1, 2 * c1)):
            side = half(side)
            parameters += 9 * inputs * outputs + 2 * outputs
            multiply_adds += 9 * inputs * outputs * side**2
        before, previous = 2 * c1, 2 * c1
    for kind in ["normal"] * skeleton.K + (["reduction"] + ["normal"] * skeleton.K) * 2:
        reduces = kind == "reduction"
        c *= 1 + reduces
        cell = genotype.cells[kind]
        # Both inputs are brought to the size of the second, and both are read by strided edges.
        multiply_adds += (before + previous) * c * side**2
        parameters += (before + previous) * c + 4 * c
        wide, side = side, half(side) if reduces else side
        for node in cell.nodes:
            for operation, predecessor in node:
                strided = reduces and predecessor < 2
                weights = convolution_weights(operation, c, strided)
                parameters += weights + norm_weights(operation, c, strided)
                if operation == "conv_7x1_1x7" and strided:
                    # The 1x7 window is strided along the rows only; the 7x1 window reads its output.
                    multiply_adds += weights // 2 * (wide * side + side * side)
                else:
                    multiply_adds += weights * side**2
        before, previous = previous, c * len(cell.concat)
    return parameters + (previous + 1) * classes, multiply_adds + previous * classes


SMALL = {
    "cifar": (get_skeleton("cifar").with_size(1, 24, 32), 7, 13),
    "imagenet": (get_skeleton("imagenet").with_size(1, 8, 16), 5, 75),
}


@pytest.mark.parametrize(
    ("name", "skeleton"),
    [
        *[(name, "cifar") for name in zoo_names() if not name.startswith("hdas")],
        *[(name, "imagenet") for name in ("nasnet", "amoebanet", "snas_aggressive", "gdas_v1")],
    ],
)
def test_counts_by_hand(name: str, skeleton: str) -> None:
    genotype = load_zoo(name)
    frame, classes, side = SMALL[skeleton]
    counted = profile(genotype, frame, classes=classes, image_size=side, auxiliary=False)
    expected = by_hand(genotype, frame, classes, side)
    assert (counted.parameters, counted.multiply_adds) == expected
    assert counted.parameters_with_auxiliary == counted.parameters


@pytest.mark.parametrize(
    ("name", "skeleton", "classes"),
    [
        ("darts_v2", CIFAR, 10),
        ("darts_v2", IMAGENET, 1000),
        ("amoebanet", CIFAR.with_size(2, 8, 16), 10),
        ("snas_aggressive", IMAGENET.with_size(2, 8, 16), 10),
    ],
    ids=["cifar", "imagenet", "amoebanet", "snas_aggressive"],
)
def test_stages_sum_to_the_totals(name: str, skeleton: Skeleton, classes: int) -> None:
    counted = full_size(name, skeleton, classes)
    assert sum(s.parameters for s in counted.stages) == counted.parameters
    assert sum(s.multiply_adds for s in counted.stages) == counted.multiply_adds
    k = skeleton.K
    assert [s.cells for s in counted.stages] == [0, k, 1, k, 1, k, 0]
    assert counted.stages[0].name == "stem"
    assert counted.stages[-1].name == "classifier"
    features = skeleton.C2 * 4 * len(load_zoo(name).cells["normal"].concat) // 4
    assert counted.stages[-1].multiply_adds == features * classes
    assert counted.stages[-1].parameters == (features + 1) * classes
    assert counted.to_dict()["stages"][1]["parameters"] == counted.stages[1].parameters


@torch.no_grad()
def test_multiply_adds_of_stages_against_hooks_on_every_convolution() -> None:
    skeleton = get_skeleton("cifar").with_size(2, 8, 16)
    genotype = load_zoo("nasnet")
    network = build(genotype, skeleton, classes=6).eval()
    found: Counter[str] = Counter()
    stages = ["stage 1 (normal)"] * 2 + ["stage 2 (reduction)"] + ["stage 3 (normal)"] * 2
    stages += ["stage 4 (reduction)"] + ["stage 5 (normal)"] * 2

    def watch(name: str, module: nn.Module) -> None:
        part, *rest = name.split(".")
        part = stages[int(rest[0])] if part == "cells" else part

        def count(m: nn.Module, inputs: object, output: torch.Tensor) -> None:
            # Every output value is a sum over the weights of its channel.
            found[part] += output.numel() * m.weight[0].numel()  # type: ignore[index,union-attr]

        module.register_forward_hook(count)

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            watch(name, module)
    network(torch.randn(1, 3, 9, 9))
    counted = profile(genotype, skeleton, classes=6, image_size=9)
    assert {s.name: s.multiply_adds for s in counted.stages} == found


@pytest.mark.parametrize(("pool_norm", "each"), [("none", 0), ("plain", 0), ("affine", 2)])
def test_a_normalisation_after_pools(pool_norm: str, each: int) -> None:
    # SNAS' public code: BatchNorm after every pool, affine where the network is trained: 2C a pool.
    genotype, skeleton = load_zoo("darts_v1"), get_skeleton("cifar").with_size(1, 8, 16)
    plain = full_size("darts_v1", skeleton, 10)
    normed = profile(genotype, skeleton, pool_norm=pool_norm)  # type: ignore[arg-type]
    # DARTS_V1: no pool in the normal cell, 5 in the reduction cell, whose widths are 8 and 16.
    pools = sum(e.operation.endswith("pool_3x3") for _, e in genotype.cells["reduction"].edges())
    assert pools == 5
    assert normed.parameters - plain.parameters == each * pools * (8 + 16)
    assert normed.multiply_adds == plain.multiply_adds


def test_counting_changes_nothing() -> None:
    network = build(load_zoo("darts_v2"), get_skeleton("cifar").with_size(0, 8, 16)).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    counts = multiply_adds_by_module(network, torch.randn(2, 3, 8, 8))
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any("forward" in vars(module) for module in network.modules())
    assert counts[""] == counts["stem"] + counts["cells.0"] + counts["cells.1"] + counts["classifier"]
    # Two pictures, 3x3 windows from 3 to 8 channels on 8x8 maps.
    assert counts["stem"] == 2 * 8 * 27 * 64
