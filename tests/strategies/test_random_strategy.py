from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random as Generator
from typing import Any

import pytest
from tests.narrow_spaces import small

from autodas.errors import AutodasError
from autodas.loop import InputShape
from autodas.loop.tasks import Classification
from autodas.search._cost import supernet_multiply_adds
from autodas.spaces import Alive, all_alive, count_cell, random_cell
from autodas.strategies import RandomSettings
from autodas.strategies.base import SearchPlan
from autodas.strategies.random import Random

OPERATIONS = ("none", "skip_connect", "max_pool_3x3")

# Upper 0.1 % points of chi-square with 3, 47 and 242 degrees of freedom.
CRITICAL = {4: 16.27, 48: 82.72, 243: 314.9}


@pytest.mark.parametrize(
    ("cell", "size"),
    [
        # 1 * 2^2 for the first node, C(3, 2) * 2^2 for the second.
        ({"kept": 2}, 48),
        # Any of 3 operations, "none" among them, on each of 5 edges.
        ({"kept": "any", "none_is_a_choice": True}, 243),
        # Absent, or one of 2 operations, on each of 5 edges.
        ({"kept": "any"}, 243),
    ],
    ids=["two", "any with none", "any"],
)
def test_cells_are_drawn_uniformly(tools: Any, cell: dict[str, Any], size: int) -> None:
    space = tools.two_nodes(OPERATIONS, **cell).cell
    full = [[len(space.choices)] * state for state in space.states]
    assert count_cell(space, full) == size
    generator, draws = Generator(1), 30 * size
    counts = Counter(random_cell(space, generator) for _ in range(draws))
    assert len(counts) == size
    expected = draws / size
    statistic = sum((count - expected) ** 2 / expected for count in counts.values())
    assert statistic < CRITICAL[size]


def test_the_draw_of_distinct_genotypes_is_uniform(tools: Any) -> None:
    space = tools.two_nodes(("skip_connect", "max_pool_3x3"), K=0, kept=1)
    # 2 edges * 2 operations for the first node, 3 * 2 for the second: 24; pairs are drawn distinct.
    counts: Counter[Any] = Counter()
    for seed in range(240):
        drawn = Random(RandomSettings(2), tools.plan(space, seed=seed)).genotypes
        assert drawn[0] != drawn[1]
        counts.update(drawn)
    assert len(counts) == 24
    # Chi-square with 23 degrees of freedom: upper 0.1 % point 49.73.
    assert sum((n - 20) ** 2 / 20 for n in counts.values()) < 49.73


def test_all_of_a_space_can_be_drawn_and_no_more(tools: Any) -> None:
    space = tools.two_nodes(OPERATIONS, K=0)
    genotypes = Random(RandomSettings(48), tools.plan(space)).genotypes
    assert len(set(genotypes)) == 48
    for genotype in genotypes:
        space.validate(genotype)
    with pytest.raises(AutodasError, match=r"candidates=49.*48 architectures"):
        Random(RandomSettings(49), tools.plan(space))


@pytest.mark.parametrize("candidates", [0, -1])
def test_at_least_one_candidate(candidates: int) -> None:
    with pytest.raises(AutodasError, match="candidates must be at least 1"):
        RandomSettings(candidates)


@pytest.mark.slow
@pytest.mark.parametrize(("candidates", "iterations"), [(1, 7), (2, 110)])
def test_the_budget_is_that_of_a_das_search(tools: Any, candidates: int, iterations: int) -> None:
    space = small(tools.space("cifar-o2d", K=0))

    @cache
    def count(alive: Alive) -> int:
        return supernet_multiply_adds(
            space, {"reduction": alive}, task=Classification(10), shape=InputShape(1, 8)
        )

    def cost(alive: Any) -> int:
        (only,) = alive.values()
        return count(only)

    strategy = Random(RandomSettings(candidates), SearchPlan(space, iterations, 5, cost))
    phases = strategy.phases()
    assert len(phases) == candidates
    # T weight steps (forwards, backwards, weights) and T architecture steps (without the last) through the
    # whole supernet, shared equally.
    share = (3 + 2) * iterations * cost({"reduction": all_alive(space.cell)}) / candidates
    costs = [3 * cost(phase.alive) for phase in phases]
    for phase, each in zip(phases, costs, strict=True):
        assert 0 <= share - phase.iterations * each < each
        assert phase.weights_only == phase.iterations
    assert len(set(costs)) == len(costs), "cheap architectures are trained for longer"


def test_seeds_differ(tools: Any) -> None:
    space = tools.space()
    drawn = [Random(RandomSettings(4), tools.plan(space, seed=seed)).genotypes for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
