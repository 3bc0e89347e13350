"""Unknown costs: their covariance and what architectures contain, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from autodas.benchmark_string import read_benchmark_string
from autodas.costs._unknowns import Unknowns
from autodas.spaces import get_space


def unknowns_of(name: str) -> Unknowns:
    space = get_space(name)
    return Unknowns(space.cell, space.kinds, space.skeleton)


def test_covariance() -> None:
    unknowns = unknowns_of("cifar-o2d")
    factor = unknowns.common_parts(group=0.5, edge=0.1)
    covariance = factor @ factor.T
    places = unknowns.places
    assert len(places) == 2 * 14 * len(unknowns.operations) == len(covariance)

    def between(one: tuple[str, int, str], other: tuple[str, int, str]) -> float:
        numbers = [
            places.index((kind, edge, unknowns.cell.operations.index(name)))
            for kind, edge, name in (one, other)
        ]
        return float(covariance[numbers[0], numbers[1]])

    # 6 of 8 cells are normal. Edges 0 and 1 leave the inputs, edge 4 leaves a node.
    assert [unknowns.cell.edges[edge] for edge in (0, 1, 4)] == [(0, 2), (1, 2), (2, 3)]
    here = ("normal", 0, "sep_conv_3x3")
    assert between(here, here) == pytest.approx(0.75**2 * (1 + 0.25 + 0.01))
    assert between(here, ("normal", 1, "sep_conv_3x3")) == pytest.approx(0.75**2 * 1.25)
    assert between(here, ("normal", 4, "sep_conv_3x3")) == pytest.approx(0.75**2 * 1.25)
    assert between(here, ("normal", 1, "skip_connect")) == 0
    assert between(here, ("reduction", 1, "sep_conv_3x3")) == pytest.approx(0.75 * 0.25)
    strided = ("reduction", 0, "sep_conv_3x3")
    assert between(strided, ("reduction", 1, "sep_conv_3x3")) == pytest.approx(0.25**2 * 1.25)
    assert between(strided, ("reduction", 4, "sep_conv_3x3")) == pytest.approx(0.25**2)


def test_counted_with_and_without_dead_parts() -> None:
    """Node 2 is read by none; node 1 feeds the output."""
    text = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|none~2|"
    unknowns = unknowns_of("nasbench201")
    expected = {(0, "nor_conv_3x3"), (4, "avg_pool_3x3")}
    for dead_parts, more in ((False, set()), (True, {(1, "skip_connect")})):
        (row,) = unknowns.counted([read_benchmark_string(text)], dead_parts)
        found = {
            (unknowns.places[i][1], unknowns.cell.operations[unknowns.places[i][2]])
            for i in np.flatnonzero(row)
        }
        assert found == expected | more


def test_table_has_zeros_for_none() -> None:
    unknowns = unknowns_of("nasbench201")
    rows = unknowns.table([float(number) for number in range(1, 25)])
    assert unknowns.cell.operations[0] == "none"
    assert rows["normal"][0] == [0, 1, 2, 3, 4]
    assert rows["normal"][5] == [0, 21, 22, 23, 24]
