"""Budgets: costs against profiles of networks, the best architecture against brute force, all methods."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations, product
from random import Random
from typing import Any

import pytest
import torch
from tests.narrow_spaces import narrow

from autodas.costs import NetworkSetting
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import Profile, profile
from autodas.spaces import CellSpace, Space, alive_of, all_alive, get_skeleton, get_space, random_cell
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies._budget import Budget, Resource, best_choices
from autodas.strategies._derivation import choose, columns_of
from autodas.strategies._network_budget import Limits, network_budget
from autodas.strategies.base import SearchPlan

pytestmark = pytest.mark.slow

FACTS: dict[str, Any] = {"classes": 7, "channels": 3, "image_size": 16}
SMALL = get_space("cifar-o2d").with_size(K=1, C1=8, C2=32)


def drawn(space: Space, seed: int) -> Genotype:
    generator = Random(seed)
    cells = {kind: random_cell(space.cell, generator) for kind in space.kinds}
    return Genotype(cells, space=space.cell.genotype_space)


def limited(cell: CellSpace, costs: Any, limits: Any) -> Budget:
    resources = (Resource("latency_ms", rows, limit) for rows, limit in zip(costs, limits, strict=True))
    return Budget(cell, ("normal",), tuple(resources))


def kept_of(genotype: Genotype, cell: CellSpace) -> dict[str, dict[int, int]]:
    return {kind: columns_of(alive_of(c, cell)) for kind, c in genotype.cells.items()}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cifar-o2d", (1, 8, 32)),
        ("cifar-darts", (2, 12, 16)),
        ("cifar-snas", (1, 8, 16)),
        ("cifar_stages-darts", (1, 8, 16)),
        ("imagenet-o2d", (1, 8, 16)),
        ("nasbench201", (1, 8, 32)),
    ],
)
def test_costs_are_those_of_the_network(name: str, size: tuple[int, int, int]) -> None:
    space = get_space(name).with_size(*size)
    facts = {**FACTS, "image_size": 64 if name.startswith("imagenet") else 17}
    for seed, resource in enumerate(("parameters", "multiply_adds")):
        genotype = drawn(space, seed)
        exact = getattr(profile(genotype, space.skeleton, auxiliary=False, **facts), resource)
        kept = kept_of(genotype, space.cell)
        for limit, fits in ((exact, True), (exact - 1, False)):
            try:
                budget = network_budget(
                    space, NetworkSetting(space.skeleton, **facts), Limits(**{resource: limit})
                )
            except AutodasError:  # no architecture is smaller than the one that was drawn
                assert not fits
                continue
            assert budget is not None
            assert budget.meets(kept) is fits


def brute_force(budget: Budget, weights: dict[str, Any]) -> float:
    """The largest sum of weights of an architecture that meets a budget."""
    cell, best = budget.cell, -1.0
    columns = [o for o, name in enumerate(cell.operations) if name in cell.choices]
    nodes = []
    for state in cell.states:
        edges = combinations(cell.incoming(state), cell.kept_edges(state))
        nodes.append(
            [
                dict(zip(chosen, ops, strict=True))
                for chosen in edges
                for ops in product(columns, repeat=len(chosen))
            ]
        )
    for parts in product(*nodes):
        kept = {"normal": {e: o for part in parts for e, o in part.items()}}
        if budget.meets(kept):
            best = max(best, sum(weights["normal"][e][o] for e, o in kept["normal"].items()))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_best_within_limits_against_brute_force(seed: int) -> None:
    cell = CellSpace("small", ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"), nodes=2)
    generator = torch.Generator().manual_seed(seed)
    shape = (len(cell.edges), len(cell.operations))
    costs = tuple({"normal": torch.rand(shape, generator=generator).tolist()} for _ in range(2))
    weights = {"normal": torch.rand(shape, generator=generator).softmax(-1).tolist()}
    met = []
    for limit in (0.3, 0.8, 1.2, 1.6, 9.0):
        budget = limited(cell, costs, (limit, 1.3 * limit))
        expected = brute_force(budget, weights)
        alive = {"normal": all_alive(cell)}
        assert budget.can_be_met(alive) is (expected >= 0)
        met.append(expected >= 0)
        if expected < 0:
            continue
        (choice,) = (budget.choose(weights) or {}).values()
        kept = choice.kept(cell)
        assert budget.meets({"normal": kept})
        assert sum(weights["normal"][e][o] for e, o in kept.items()) == pytest.approx(expected)
        assert all(0 <= lead <= 1 for _, lead in [*choice.operations.values(), *choice.nodes.values()])
    assert met[-1]
    assert not met[0]


def test_a_budget_that_is_met_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    cell = SMALL.cell
    weights = {
        kind: torch.randn(len(cell.edges), len(cell.operations), generator=generator).softmax(-1).tolist()
        for kind in SMALL.kinds
    }
    budget = network_budget(SMALL, NetworkSetting(SMALL.skeleton, **FACTS), Limits(parameters=10**9))
    free = {kind: choose(cell, rows) for kind, rows in weights.items()}
    assert best_choices(cell, weights, budget=budget) == free
    # The rule of DARTS is the integer programme without limits.
    assert budget is not None
    solved = budget.choose(weights)
    assert {k: c.kept(cell) for k, c in solved.items()} == {k: c.kept(cell) for k, c in free.items()}
    assert network_budget(SMALL, NetworkSetting(SMALL.skeleton, **FACTS), Limits()) is None


def wander(strategy: Any, seed: int, std: float = 0.5) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(strategy.parameters().items()):
        parameter.data += std * torch.randn(parameter.shape, generator=generator)
        if name.startswith("alpha"):
            parameter.data[..., -4:] += 0.3  # convolutions lead, which the budget does not allow


METHODS = [
    ("das", "cifar-o2d"),
    ("sdas-a", "cifar-o2d"),
    ("sdas-b", "cifar-darts"),
    ("sdas-c", "cifar-o2d"),
    ("pcdarts", "cifar-o2d"),
    ("pdarts", "cifar-o2d"),
    ("pdarts", "cifar-darts"),
    ("snas", "cifar-o2d"),
    ("snas", "cifar-snas"),
    ("edas", "cifar-darts"),
    ("hdas", "cifar_stages-darts"),
    ("random", "cifar-o2d"),
]


@cache
def profiles(space: Space) -> list[Profile]:
    return [profile(drawn(space, seed), space.skeleton, auxiliary=False, **FACTS) for seed in range(8)]


@pytest.mark.parametrize(("method", "name"), METHODS, ids=lambda value: str(value))
def test_every_method_stays_within_its_budget(method: str, name: str) -> None:
    space = narrow(get_space(name).with_size(K=1, C1=8, C2=16))
    # A third of all networks is so small, in either respect.
    limits = {
        resource: sorted(getattr(found, resource) for found in profiles(space))[2]
        for resource in ("parameters", "multiply_adds")
    }
    budget = network_budget(space, NetworkSetting(space.skeleton, **FACTS), Limits(**limits))
    settings = {"level": "cells"} if method == "hdas" else {"candidates": 3} if method == "random" else {}
    choice = choose_strategy(method, **settings)
    strategy = load_strategy(method)(
        choice.settings, SearchPlan(space, 30, 1, lambda alive: 1, budget=budget)
    )
    for number, phase in enumerate(strategy.phases()):
        strategy.start(number, "cpu")
        for iteration in range(1, phase.iterations + 1):
            if iteration <= 12:
                wander(strategy, 100 * number + iteration)
            strategy.after_iteration(iteration)
        genotype = strategy.finish().genotype
        if genotype is not None:
            space.validate(genotype)
            found = profile(genotype, space.skeleton, auxiliary=False, **FACTS)
            assert all(getattr(found, resource) <= limit for resource, limit in limits.items())


@pytest.mark.parametrize(("most", "limit", "expected"), [(1, 9.0, 1), (1, 2.0, 1), (1, 1.0, 2), (0, 0.0, 3)])
def test_skips_give_way_to_a_budget_only_where_they_have_to(most: int, limit: float, expected: int) -> None:
    """Skips are free, everything else costs 1, and three edges are kept: by hand."""
    three = CellSpace("small", ("skip_connect", "max_pool_3x3", "sep_conv_3x3"), nodes=3, kept=1)
    costs = {"normal": [[0.0, 1.0, 1.0] for _ in three.edges]}
    # Skips lead everywhere, then separable convolutions.
    weights = {"normal": [[0.6, 0.1, 0.3] for _ in three.edges]}
    budget = limited(three, [costs], [limit])
    choice = best_choices(three, weights, skips={"normal": most}, budget=budget)["normal"]
    kept = choice.kept(three)
    assert len(kept) == 3
    assert budget.meets({"normal": kept})
    assert sum(three.operations[o] == "skip_connect" for o in kept.values()) == expected
    assert sum(o == 2 for o in kept.values()) == 3 - expected


def test_a_budget_that_nothing_meets_names_the_smallest() -> None:
    with pytest.raises(AutodasError, match="no architecture of space 'cifar-o2d' has at most 100 para"):
        network_budget(SMALL, NetworkSetting(SMALL.skeleton, **FACTS), Limits(parameters=100))
    # The smallest one that it names exists, and is the smallest.
    with pytest.raises(AutodasError) as caught:
        network_budget(SMALL, NetworkSetting(SMALL.skeleton, **FACTS), Limits(parameters=100))
    smallest = int(str(caught.value).rpartition("the smallest has ")[2].partition(" ")[0].replace(",", ""))
    assert (
        network_budget(SMALL, NetworkSetting(SMALL.skeleton, **FACTS), Limits(parameters=smallest))
        is not None
    )
    with pytest.raises(AutodasError):
        network_budget(SMALL, NetworkSetting(SMALL.skeleton, **FACTS), Limits(parameters=smallest - 1))


def test_another_network_than_the_searched_one() -> None:
    """DARTS' mobile setting: 600 million multiply-adds of the ImageNet network."""
    target = get_skeleton("imagenet")
    facts = {"classes": 1000, "channels": 3, "image_size": 224}
    budget = network_budget(
        get_space("cifar-o2d"), NetworkSetting(target, **facts), Limits(multiply_adds=500_000_000)
    )
    assert budget is not None
    genotype = drawn(get_space("cifar-o2d"), 1)
    exact = profile(genotype, target, auxiliary=False, **facts).multiply_adds
    assert budget.meets(kept_of(genotype, budget.cell)) is (exact <= 500_000_000)


def test_a_kind_without_cells_costs_nothing() -> None:
    target = get_skeleton("cifar").with_size(K=0, C1=8, C2=16)
    genotype = drawn(SMALL, 2)
    exact = profile(genotype, target, auxiliary=False, **FACTS).parameters
    budget = network_budget(SMALL, NetworkSetting(target, **FACTS), Limits(parameters=exact))
    assert budget is not None
    assert budget.meets(kept_of(genotype, SMALL.cell))


@pytest.mark.parametrize("most", [10, 10**5, 10**9])
@pytest.mark.parametrize("seed", range(3))
def test_one_below_what_an_architecture_costs(most: int, seed: int) -> None:
    """Limits at, one below and one above the cost of an architecture, at the size of multiply-adds."""
    cell = CellSpace("small", ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"), nodes=2)
    random, columns = Random(seed), range(len(cell.operations))
    # Half of the edges cost the same, so that many architectures share a cost.
    shared = [random.randint(0, most) for _ in columns]
    rows = [shared if e % 2 else [random.randint(0, most) for _ in columns] for e in range(len(cell.edges))]
    weights = {"normal": [[random.random() for _ in columns] for _ in cell.edges]}
    limit = 4 * most
    for _ in range(12):
        budget = limited(cell, [{"normal": rows}], [limit])
        expected = brute_force(budget, weights)
        alive = {"normal": all_alive(cell)}
        assert budget.can_be_met(alive) is (expected >= 0)
        if expected < 0:
            break
        kept = budget.choose(weights)["normal"].kept(cell)
        assert budget.meets({"normal": kept})
        assert sum(weights["normal"][e][o] for e, o in kept.items()) == pytest.approx(expected)
        cost = sum(rows[e][o] for e, o in kept.items())
        at_its_cost = limited(cell, [{"normal": rows}], [cost])
        assert at_its_cost.choose(weights)["normal"].kept(cell) == kept
        limit = cost - 1
    else:
        pytest.fail("limits should have become too low")


@cache
def imagenet_budget() -> Budget:
    facts = {"classes": 1000, "channels": 3, "image_size": 224}
    budget = network_budget(
        SMALL, NetworkSetting(get_skeleton("imagenet"), **facts), Limits(multiply_adds=10**12)
    )
    assert budget is not None
    return budget


@pytest.mark.parametrize("method", ["das", "sdas-b", "pdarts"])
def test_a_bit_smaller_than_what_was_found(method: str) -> None:
    """One multiply-add less than the last result, in the network for ImageNet: tens of millions."""
    (resource,) = imagenet_budget().resources

    def cost_of_found(limit: float) -> float:
        budget = replace(imagenet_budget(), resources=(replace(resource, limit=limit, constant=0),))
        choice = choose_strategy(method)
        plan = SearchPlan(SMALL, 8, 0, lambda alive: 1, budget=budget)
        strategy = load_strategy(method)(choice.settings, plan)
        for number, phase in enumerate(strategy.phases()):
            strategy.start(number, "cpu")
            for iteration in range(1, phase.iterations + 1):
                wander(strategy, 100 * number + iteration)
                strategy.after_iteration(iteration)
        return resource.spent(kept_of(strategy.finish().genotype, SMALL.cell))

    before = cost_of_found(10**12)
    assert before > 10**7
    for _ in range(3):
        after = cost_of_found(before - 1)
        assert after < before
        before = after
