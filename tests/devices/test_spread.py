"""Random architectures that are spread over a space."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
from tests.narrow_spaces import small

from autodas.devices import spread_architectures
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.spaces import Space, alive_of, get_space, random_cell
from autodas.strategies._resources import slot_costs


def costs(space: Space, genotypes: list[Genotype], kind: str) -> np.ndarray:
    """Return the multiply-adds of all cells of a kind, summed edge by edge."""
    table = sum(
        np.array([[cost.multiply_adds for cost in row] for row in rows])
        for slot, rows in slot_costs(space.cell, space.skeleton)
        if slot.kind == kind
    )
    return np.array([(table * np.array(alive_of(g.cells[kind], space.cell))).sum() for g in genotypes])


@pytest.mark.parametrize("name", ["cifar-o2d", "video-oadv", "nasbench201", "cifar-snas", "cifar_stages-o2d"])
def test_every_choice_is_about_equally_frequent(name: str) -> None:
    space = get_space(name)
    genotypes = spread_architectures(space, 120, seed=3)
    assert len(set(genotypes)) == 120
    cell = space.cell
    for genotype in genotypes:
        space.validate(genotype)
    for kind in space.kinds:
        counts = np.sum([alive_of(g.cells[kind], cell) for g in genotypes], axis=0)
        chosen = [cell.operations.index(o) for o in cell.choices if cell.kept != "any" or o != "none"]
        for edge, row in enumerate(counts):
            own = row[chosen]
            assert own.min() >= 1
            # The share of an edge is divided evenly, but for architectures in place of repeated ones.
            assert own.max() - own.min() <= (4 if name == "nasbench201" else 1), (kind, cell.edges[edge])
        for state in cell.states:
            edges = counts[cell.incoming(state)].sum(axis=1)
            assert edges.max() - edges.min() <= 0.3 * edges.mean()


def test_costs_are_spread_twice_as_far_as_those_of_uniform_draws() -> None:
    space, generator = get_space("cifar-o2d"), Random(0)
    spread = spread_architectures(space, 200, seed=0)
    uniform = [Genotype({k: random_cell(space.cell, generator) for k in space.kinds}) for _ in range(400)]
    for kind in space.kinds:
        ours, theirs = costs(space, spread, kind), costs(space, uniform, kind)
        assert ours.std() > 1.7 * theirs.std()
        assert ours.mean() == pytest.approx(theirs.mean(), rel=0.05)
    # Kinds of cells can be told apart.
    assert abs(np.corrcoef(*(costs(space, spread, kind) for kind in space.kinds))[0, 1]) < 0.25


def test_one_seed_has_one_draw() -> None:
    space = get_space("cifar-o2d")
    assert spread_architectures(space, 9, seed=1) == spread_architectures(space, 9, seed=1)
    assert spread_architectures(space, 9, seed=1) != spread_architectures(space, 9, seed=2)


def test_repeated_architectures_are_replaced() -> None:
    space = small(get_space("nasbench201").with_operations(["skip_connect", "nor_conv_3x3"]))
    assert 30 < space.architectures <= 5000
    many = spread_architectures(space, space.architectures // 2, seed=0)
    assert max(Counter(many).values()) == 1


@pytest.mark.parametrize("count", [0, 15_626])
def test_more_than_there_are(count: int) -> None:
    with pytest.raises(AutodasError, match=f"networks={count:,} must lie between 1 and .*15,625"):
        spread_architectures(get_space("nasbench201"), count, seed=0)
