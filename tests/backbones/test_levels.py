"""Levels: channels and strides of the last map of each size, against numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.trained_networks import VIDEO_GENOTYPE

import autodas
from autodas.backbones import chosen, levels_of
from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import Blueprint, CellBlueprint, HandcraftedBlueprint
from autodas.spaces import get_skeleton


def cells(genotype: str, skeleton: str, **size: int) -> Blueprint:
    return CellBlueprint(autodas.load_genotype(genotype), get_skeleton(skeleton).with_size(**size))


BENCHMARK = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
VIDEO = CellBlueprint(Genotype.load(VIDEO_GENOTYPE), get_skeleton("video").with_size(K=0, C1=4, C2=8))


@pytest.mark.parametrize(
    ("blueprint", "expected"),
    [
        # The stem of 2 x C1 channels has a map of its own; cells concatenate 4 nodes of C = C2 / 4 channels.
        (
            cells("darts_v2", "imagenet", K=1, C1=6, C2=16),
            [(12, (4, 4)), (16, (8, 8)), (32, (16, 16)), (64, (32, 32))],
        ),
        (cells("darts_v2", "cifar", K=1, C1=6, C2=16), [(16, (1, 1)), (32, (2, 2)), (64, (4, 4))]),
        # The nodes of a stage graph are cells of 4 C channels, of which it concatenates two.
        (
            cells("hdas_cifar_darts_v1", "cifar", C1=16, C2=16),
            [(32, (1, 1)), (64, (2, 2)), (128, (4, 4))],
        ),
        (cells(BENCHMARK, "nasbench201", K=1, C2=32), [(8, (1, 1)), (16, (2, 2)), (32, (4, 4))]),
        # Without cells in the first stage the stem has the largest map.
        (VIDEO, [(4, (4, 4, 4)), (16, (4, 8, 8)), (32, (8, 16, 16))]),
        # A quarter of 64, 256, 512, 1024 and 2048; time is halved twice (SDAS, figure 10).
        (
            HandcraftedBlueprint("resnet50-2d"),
            [
                (16, (2, 2, 2)),
                (64, (4, 2, 2)),
                (128, (4, 4, 4)),
                (256, (4, 8, 8)),
                (512, (4, 16, 16)),
            ],
        ),
    ],
)
def test_channels_and_strides(blueprint: Blueprint, expected: list[Any]) -> None:
    assert [(level.channels, level.stride) for level in levels_of(blueprint)] == expected


def test_the_last_map_of_a_size_is_its_level() -> None:
    # Two outputs of the stem, of which the first is larger, then stages of three, one, three, one, three.
    numbers = [level.number for level in levels_of(cells("darts_v2", "imagenet", K=3, C1=4, C2=16))]
    assert numbers == [0, 4, 8, 12]


def test_cells_of_any_output() -> None:
    # One concatenated node in place of four.
    cell = CellGenotype(((Edge("sep_conv_3x3", 0), Edge("skip_connect", 1)),), (2,))
    blueprint = CellBlueprint(
        Genotype({"normal": cell, "reduction": cell}), get_skeleton("cifar").with_size(1, 4, 16)
    )
    assert [level.channels for level in levels_of(blueprint)] == [4, 8, 16]


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, (0, 1, 2)), ((0, 2), (0, 2)), ((-2, -1), (1, 2)), ((1, -1), (1, 2))]
)
def test_chosen_levels(asked: Sequence[int] | None, expected: tuple[int, ...]) -> None:
    assert chosen(3, asked) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((3,), "there is no level 3, the network has 3, from 0"),
        ((-4,), "there is no level -4"),
        ((1, 0), r"out_indices=\(1, 0\) must name levels in ascending order, each once"),
        ((1, -2), "each once"),
        ((), "each once"),
    ],
)
def test_levels_that_cannot_be_chosen(asked: Sequence[int], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        chosen(3, asked)
