"""Budgets by tables of costs: limits on what networks are predicted, or measured, to take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import combinations, product
from random import Random
from typing import Any

import numpy as np
import pytest
from tests.narrow_spaces import narrow
from tests.strategies.test_budget import METHODS

from autodas.costs import CostTable, NetworkSetting
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.spaces import CellSpace, Space, cell_of, get_space, random_cell
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies._budget import Budget
from autodas.strategies._network_budget import Limits, cost_ranges, network_budget
from autodas.strategies.base import Outcome, SearchPlan

CONSTANT = 2.5
OPERATIONS = ("none", "skip_connect", "sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3")


def random_table(space: Space, seed: int) -> CostTable:
    generator = np.random.default_rng(seed)
    shape = len(space.cell.edges), len(space.cell.operations)
    costs = {kind: generator.uniform(0.01, 1, shape) for kind in space.kinds}
    if "none" in space.cell.operations:
        for rows in costs.values():
            rows[:, space.cell.operations.index("none")] = 0
    listed = {kind: rows.tolist() for kind, rows in costs.items()}
    return CostTable("latency_ms", space.cell, listed, CONSTANT, setting_of(space))


def setting_of(space: Space) -> NetworkSetting:
    return NetworkSetting(space.skeleton, channels=3, image_size=16, classes=7)


def within(space: Space, table: CostTable, limit: float) -> Budget:
    budget = network_budget(space, setting_of(space), Limits(tables=((table, limit),)))
    assert budget is not None
    return budget


def searched(method: str, space: Space, budget: Budget, seed: int = 1) -> Outcome:
    """The outcome of a search whose parameters take random steps."""
    settings = {"level": "cells"} if method == "hdas" else {"candidates": 1} if method == "random" else {}
    choice = choose_strategy(method, **settings)
    plan = SearchPlan(space, 30, seed, lambda alive: 1, budget=budget)
    strategy = load_strategy(method)(choice.settings, plan)
    generator = np.random.default_rng(seed)
    for number, phase in enumerate(strategy.phases()):
        strategy.start(number, "cpu")
        for iteration in range(1, phase.iterations + 1):
            for _, parameter in sorted(strategy.parameters().items()):
                step = generator.normal(0, 0.3, tuple(parameter.shape))
                parameter.data += parameter.data.new_tensor(step)
            strategy.after_iteration(iteration)
        outcome = strategy.finish()
    return outcome


def small(tools: Any) -> Space:
    """A cell of two nodes, of one kind: 243 to 1,024 architectures."""
    space: Space = tools.two_nodes(OPERATIONS, K=0)
    return space


def every_cell(cell: CellSpace) -> Iterator[dict[int, int]]:
    """Yield all cells of a space whose nodes keep a number of edges."""
    columns = [o for o, name in enumerate(cell.operations) if name in cell.choices]
    nodes = [
        [
            dict(zip(edges, operations, strict=True))
            for edges in combinations(cell.incoming(state), cell.kept_edges(state))
            for operations in product(columns, repeat=len(edges))
        ]
        for state in cell.states
    ]
    for parts in product(*nodes):
        yield {edge: column for part in parts for edge, column in part.items()}


def costs_of_all(space: Space, table: CostTable) -> dict[Genotype, float]:
    """By the table's own prediction, which shares nothing with the integer programme."""
    (kind,) = space.kinds
    genotypes = (
        Genotype({kind: cell_of(kept, space.cell)}, space=space.cell.genotype_space)
        for kept in every_cell(space.cell)
    )
    return {genotype: table.predict(genotype) for genotype in genotypes}


@pytest.mark.parametrize(
    "method", ["das", "sdas-a", "sdas-b", "sdas-c", "pcdarts", "pdarts", "snas", "edas", "hdas", "random"]
)
@pytest.mark.parametrize("seed", range(3))
def test_every_method_finds_what_alone_is_cheap_enough(tools: Any, method: str, seed: int) -> None:
    space = small(tools)
    table = random_table(space, seed)
    costs = costs_of_all(space, table)
    (cheapest, least), (_, second) = sorted(costs.items(), key=lambda item: item[1])[:2]
    budget = within(space, table, (least + second) / 2)
    found = searched(method, space, budget, seed).genotype
    assert found is not None
    assert found.cells == cheapest.cells
    assert budget.amounts(found) == {"latency_ms": pytest.approx(least)}
    message = rf"at most {least - 0.01:.4g} ms latency .* the smallest has {least:.4g} ms latency"
    with pytest.raises(AutodasError, match=message):
        within(space, table, least - 0.01)


@pytest.mark.parametrize(("method", "name"), METHODS, ids=lambda value: str(value))
def test_every_method_keeps_the_limit(method: str, name: str) -> None:
    space = narrow(get_space(name).with_size(K=1, C1=8, C2=16))
    table = random_table(space, 5)
    generator = Random(0)
    drawn = [Genotype({kind: random_cell(space.cell, generator) for kind in space.kinds}) for _ in range(100)]
    limit = float(np.percentile([table.predict(each) for each in drawn], 25))
    found = searched(method, space, within(space, table, limit)).genotype
    assert found is not None
    space.validate(found)
    assert table.predict(found) <= limit


def test_the_next_best_in_order(tools: Any) -> None:
    space = small(tools)
    (kind,) = space.kinds
    table = random_table(space, 1)
    weights = np.random.default_rng(2).dirichlet(np.ones(len(OPERATIONS)), len(space.cell.edges))
    limit = float(np.median([*costs_of_all(space, table).values()]))
    budget = within(space, table, limit)
    scores = sorted(
        (
            sum(weights[e][o] for e, o in kept.items())
            for kept in every_cell(space.cell)
            if CONSTANT + sum(table.costs[kind][e][o] for e, o in kept.items()) <= limit
        ),
        reverse=True,
    )
    found: list[dict[str, dict[int, int]]] = []
    for expected in scores[:20]:
        choices = budget.choose({kind: weights.tolist()}, but=found)
        assert choices is not None
        kept = {kind: choices[kind].kept(space.cell)}
        assert kept not in found
        assert sum(weights[e][o] for e, o in kept[kind].items()) == pytest.approx(expected)
        found.append(kept)


def test_nothing_is_left(tools: Any) -> None:
    space = small(tools)
    (kind,) = space.kinds
    table = random_table(space, 1)
    (_, least), (_, second) = sorted(costs_of_all(space, table).items(), key=lambda item: item[1])[:2]
    budget = within(space, table, (least + second) / 2)
    weights = {kind: np.ones((len(space.cell.edges), len(OPERATIONS))).tolist()}
    only = budget.choose(weights)
    assert only is not None
    assert budget.choose(weights, but=[{kind: only[kind].kept(space.cell)}]) is None


@pytest.mark.parametrize("method", ["das", "pcdarts", "snas", "edas"])
def test_one_search_for_several_limits_gives_what_a_search_for_each_gives(tools: Any, method: str) -> None:
    space = small(tools)
    table = random_table(space, 3)
    costs = np.array([*costs_of_all(space, table).values()])
    loose, *tight = np.percentile(costs, (75, 25, 5)).tolist()
    budget = dataclasses.replace(within(space, table, loose), tighter=tuple(tight))
    outcome = searched(method, space, budget)
    assert outcome.facts == {"limit": loose}
    assert [other.facts for other in outcome.others] == [{"limit": limit} for limit in tight]
    found = [outcome.genotype, *(other.genotype for other in outcome.others)]
    amounts = [table.predict(genotype) for genotype in found if genotype is not None]
    assert all(amount <= limit for amount, limit in zip(amounts, (loose, *tight), strict=True))
    if method != "edas":  # whose search depends on its limit
        alone = [searched(method, space, within(space, table, limit)).genotype for limit in (loose, *tight)]
        assert found == alone


@pytest.mark.parametrize("method", ["das", "pdarts", "hdas"])
def test_measured_networks_decide(tools: Any, method: str) -> None:
    space = small(tools)
    table = random_table(space, 4)
    limit = float(np.percentile([*costs_of_all(space, table).values()], 40))
    budget = within(space, table, limit)
    best = searched(method, space, budget).genotype
    measured: list[Genotype] = []

    def third_keeps_it(genotype: Genotype) -> float:
        measured.append(genotype)
        return limit + (0.1 if len(measured) < 3 else 0.0)

    outcome = searched(method, space, dataclasses.replace(budget, measure=third_keeps_it))
    assert measured[0].cells == best.cells  # type: ignore[union-attr]
    assert len(set(measured)) == len(measured) == 3
    assert outcome.genotype.cells == measured[2].cells  # type: ignore[union-attr]
    assert outcome.facts["measured"] == limit
    assert outcome.facts["measured_finalists"] == [limit + 0.1, limit + 0.1, limit]

    amounts = iter([9.0, 8.0, 7.0, 8.5])
    over = dataclasses.replace(budget, measure=lambda genotype: next(amounts), finalists=4)
    outcome = searched(method, space, over)
    assert outcome.genotype.cells == measured[2].cells  # type: ignore[union-attr]
    assert outcome.facts["measured"] == 7.0


def test_finalists_may_be_predicted_to_cost_a_little_more_but_the_last(tools: Any) -> None:
    """The last of them is chosen as if the table underestimated all networks as it did the others."""
    space = small(tools)
    table = random_table(space, 4)
    limit = float(np.percentile([*costs_of_all(space, table).values()], 30))
    tight, loose = within(space, table, limit / 1.1), within(space, table, 1.3 * limit)
    best_of_tight, best_of_loose = (searched("das", space, budget).genotype for budget in (tight, loose))
    assert best_of_tight != best_of_loose
    measured: list[Genotype] = []

    def a_tenth_more(genotype: Genotype) -> float:
        measured.append(genotype)
        return 1.1 * table.predict(genotype)

    budget = dataclasses.replace(within(space, table, limit), measure=a_tenth_more, finalists=3, slack=0.3)
    outcome = searched("das", space, budget)
    assert measured[0] == best_of_loose
    assert limit < table.predict(measured[0]) <= 1.3 * limit
    assert len(set(measured)) == len(measured) == 3
    assert all(1.1 * table.predict(genotype) > limit for genotype in measured[:2])
    # Twice a tenth more, and once nothing as long as nothing is known.
    assert measured[2] == best_of_tight
    assert outcome.facts["measured"] <= limit


def test_dead_parts_cost_something_where_the_device_computes_them() -> None:
    """By hand: in this cell of NAS-Bench-201 nothing reads the second node, whose edge costs 0.7."""
    space = get_space("nasbench201").with_size(1, 8, 32)
    rows = [[0.0, 0.1, 0.2, 0.7, 0.3] for _ in space.cell.edges]
    columns = [3, 3, 0, 1, 0, 0]  # the third node reads the first; the output reads the input
    assert space.cell.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    genotype = Genotype(
        {"normal": cell_of(dict(enumerate(columns)), space.cell)}, space=space.cell.genotype_space
    )
    for dead_parts, expected in ((True, 1.5), (False, 0.1)):
        table = CostTable(
            "latency_ms", space.cell, {"normal": rows}, CONSTANT, setting_of(space), dead_parts=dead_parts
        )
        amount = CONSTANT + expected
        assert table.predict(genotype) == pytest.approx(amount)
        assert within(space, table, 100.0).amounts(genotype) == {"latency_ms": pytest.approx(amount)}


def test_ranges(tools: Any) -> None:
    space = small(tools)
    table = random_table(space, 6)
    costs = np.array([*costs_of_all(space, table).values()])
    (found,) = cost_ranges(space, within(space, table, float(costs.max())))
    assert found.least == pytest.approx(costs.min())
    assert found.quartiles == pytest.approx(np.percentile(costs, (25, 50, 75)), abs=0.1)
    assert f"the cheapest architecture has {costs.min():.4g} ms latency" in found.told()
    assert f"half {found.quartiles[1]:.4g} ms latency" in found.told()


def test_limits_of_several_kinds(tools: Any) -> None:
    space = small(tools)
    fast, light = random_table(space, 7), dataclasses.replace(random_table(space, 8), metric="peak_mib")
    (kind,) = space.kinds
    limits = {}
    for table in (fast, light):
        limits[table.metric] = float(np.percentile([*costs_of_all(space, table).values()], 50))
    pairs = tuple((table, limits[table.metric]) for table in (fast, light))
    budget = network_budget(space, setting_of(space), Limits(parameters=10**6, tables=pairs))
    assert budget is not None
    assert [each.name for each in budget.resources] == ["parameters", "latency_ms", "peak_mib"]
    weights = np.random.default_rng(3).random((len(space.cell.edges), len(OPERATIONS)))
    choices = budget.choose({kind: weights.tolist()})
    assert choices is not None
    genotype = Genotype({kind: cell_of(choices[kind].kept(space.cell), space.cell)})
    assert fast.predict(genotype) <= limits["latency_ms"]
    assert light.predict(genotype) <= limits["peak_mib"]


def test_tables_of_other_networks() -> None:
    space = get_space("cifar-o2d").with_size(1, 8, 16)
    table = random_table(space, 0)
    limits = Limits(tables=((table, 100.0),))
    for other, message in (
        (space.with_size(K=2), "was measured for another network: K is 2, not 1"),
        (space.with_size(C2=32), "C2 is 32, not 16"),
        (get_space("imagenet-o2d").with_size(1, 8, 16), "skeleton is imagenet, not cifar"),
        (
            get_space("cifar-darts").with_size(1, 8, 16),
            "has costs of cells of space 'o2d', not of 'darts'",
        ),
        (
            space.with_operations(["skip_connect", "sep_conv_3x3"]),
            "operations skip_connect, max_pool_3x3, .*, not of skip_connect, sep_conv_3x3",
        ),
    ):
        with pytest.raises(AutodasError, match=message):
            network_budget(other, setting_of(other), limits)
    larger = dataclasses.replace(setting_of(space), image_size=32)
    with pytest.raises(AutodasError, match="image_size is 32, not 16"):
        network_budget(space, larger, limits)
    half = dataclasses.replace(table, costs={"normal": table.costs["normal"]})
    with pytest.raises(AutodasError, match="has no costs of reduction cells, which are searched"):
        network_budget(space, setting_of(space), Limits(tables=((half, 100.0),)))
    # More classes make the last layer larger, which the constant stands for.
    more = dataclasses.replace(setting_of(space), classes=100)
    assert network_budget(space, more, limits) is not None
