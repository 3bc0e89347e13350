"""Finals: which cells are trained, for how long, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from operator import ne
from random import Random as Generator
from typing import Any

import pytest

from autodas.costs import NetworkSetting
from autodas.errors import AutodasError
from autodas.genotype import Edge, Genotype
from autodas.networks import profile
from autodas.spaces import alive_of, random_cell
from autodas.strategies import FinalistsSettings, choose_strategy, load_strategy
from autodas.strategies._network_budget import Limits, network_budget
from autodas.strategies.base import Outcome
from autodas.strategies.finalists import Finalists


def new(
    tools: Any, space: str = "cifar-o2d", name: str = "das", seed: int = 0, budget: Any = None, **finals: Any
) -> Finalists:
    plan = replace(tools.plan(tools.space(space), 12, seed), iterations_an_epoch=4, budget=budget)
    settings = choose_strategy(name).settings
    return Finalists(load_strategy(name), settings, plan, FinalistsSettings(**{"searches": 2, **finals}))


def searched(tools: Any, strategy: Finalists) -> list[Genotype]:
    """Do the searches, whose alphas wander; return their cells."""
    found = []
    for number in range(strategy.each * len(strategy.searches)):
        strategy.start(number, "cpu")
        tools.wander(strategy, number)
        outcome = strategy.finish()
        assert outcome.genotype is None, "a search has no result of its own"
        found += [other.genotype for other in outcome.others]
    return found


def differing(first: Genotype, second: Genotype, cell: Any) -> int:
    """Number of edges on which two architectures differ; an edge without operation is one with none."""

    def operations(genotype: Genotype) -> list[set[str]]:
        masks = [alive_of(genotype.cells[kind], cell) for kind in sorted(genotype.cells)]
        return [{*compress(cell.operations, row)} - {"none"} for mask in masks for row in mask]

    return sum(map(ne, operations(first), operations(second)))


@pytest.mark.parametrize("space", ["cifar-o2d", "nasbench201"])
def test_cells_of_the_searches_their_neighbours_and_random_ones(tools: Any, space: str) -> None:
    strategy = new(tools, space, neighbours=3, random=2)
    found = searched(tools, strategy)
    assert len(found) == 2
    finalists = strategy.finalists()
    assert len(finalists) == 2 * (1 + 3) + 2 == strategy.count, "all are distinct"
    cell = strategy.plan.space.cell
    for number in (1, 2):
        (own,) = [each for each, origin in finalists.items() if origin == f"search {number}"]
        assert differing(own, found[number - 1], cell) == 0
        near = [each for each, origin in finalists.items() if origin == f"neighbour of search {number}"]
        assert [differing(own, each, cell) for each in near] == [1] * 3
    assert list(finalists.values()).count("random") == 2


@pytest.mark.parametrize("space", ["nasbench201", "cifar-snas"])
def test_edges_that_compute_nothing(tools: Any, space: str) -> None:
    """A cell with ``none`` is a finalist as valid as others, and so are its neighbours."""
    strategy = new(tools, space, neighbours=6, random=2)
    (cells, *_) = searched(tools, strategy)
    kind, own = next(iter(cells.cells.items()))
    none = replace(own, nodes=tuple(tuple(Edge("none", e.predecessor) for e in node) for node in own.nodes))
    derived = replace(cells, cells={**cells.cells, kind: none})
    strategy.part.finish = lambda: Outcome(derived, [])  # type: ignore[method-assign]
    strategy.found = []
    strategy.finish()
    finalists = strategy.finalists()
    assert [*finalists.values()] == ["search 1", *["neighbour of search 1"] * 6, *["random"] * 9]
    for finalist in finalists:
        strategy.plan.space.validate(finalist)
    first, *near = list(finalists)[:7]
    cell = strategy.plan.space.cell
    assert differing(first, derived, cell) == 0
    assert [differing(first, each, cell) for each in near] == [1] * 6


def test_a_cell_that_two_searches_find_is_one_finalist(tools: Any) -> None:
    strategy = new(tools, neighbours=1, random=1)
    (cells, *_) = searched(tools, strategy)
    strategy.found = [replace(cells, name="")] * 2
    origins = list(strategy.finalists().values())
    assert origins == ["search 1", "neighbour of search 1", "random", "random", "random"]


def test_phases(tools: Any) -> None:
    strategy = new(tools, neighbours=1, random=1, epochs=3)
    phases = strategy.phases()
    assert [phase.iterations for phase in phases] == [12, 12] + [3 * 4] * 5
    assert [phase.weights_only for phase in phases] == [0, 0] + [12] * 5
    searched(tools, strategy)
    names, trained = [], []
    for number in range(2, 7):
        phase = strategy.start(number, "cpu")
        assert not strategy.parameters()
        assert strategy.optimiser() is None
        outcome = strategy.finish()
        assert outcome.genotype is not None
        names.append(outcome.genotype.name)
        trained.append(replace(outcome.genotype, name=""))
        cell = strategy.plan.space.cell
        assert phase.alive == {kind: alive_of(c, cell) for kind, c in outcome.genotype.cells.items()}
    assert names == [f"das-finalist-{n}" for n in range(1, 6)]
    assert trained == list(strategy.finalists())


def test_the_first_search_is_the_one_without_finals(tools: Any) -> None:
    strategy = new(tools, seed=5)
    plain = load_strategy("das")(strategy.settings, strategy.plan)
    plain.start(0, "cpu")
    seen = []
    for number in (0, 1):
        strategy.start(number, "cpu")
        seen.append(strategy.snapshot())
    assert seen[0] == plain.snapshot() != seen[1]


def test_narrowed_searches_have_their_own_phases(tools: Any) -> None:
    strategy = new(tools, name="pdarts", random=0, neighbours=0)
    assert [phase.name for phase in strategy.phases()] == [
        *(f"search {number}: stage {stage}" for number in (1, 2) for stage in (1, 2, 3)),
        "finalist 1",
        "finalist 2",
    ]
    first = strategy.start(0, "cpu")
    strategy.finish()
    assert sum(map(sum, strategy.start(1, "cpu").alive["normal"])) < sum(map(sum, first.alive["normal"]))


@pytest.mark.parametrize(
    ("name", "space", "finals", "message"),
    [
        ("random", "cifar-o2d", {}, "several results"),
        ("hdas", "cifar_stages-darts", {}, "wires whole cells"),
        ("das", "nasbench201", {"random": 15_625}, "15629 finalists, but .* 15625 architectures"),
    ],
)
def test_refused(tools: Any, name: str, space: str, finals: dict[str, int], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        new(tools, space, name, **finals)


@pytest.mark.parametrize(
    ("name", "value"), [("searches", -1), ("neighbours", -1), ("random", -1), ("epochs", 0)]
)
def test_bad_settings(name: str, value: int) -> None:
    with pytest.raises(AutodasError, match=f"finalists.{name} must be at least"):
        FinalistsSettings(**{name: value})


def test_only_what_meets_the_budget_is_trained(tools: Any) -> None:
    space = tools.space("cifar-o2d")
    facts: dict[str, Any] = {"classes": 10, "channels": 3, "image_size": 32}

    def cost(genotype: Genotype) -> int:
        return profile(genotype, space.skeleton, auxiliary=False, **facts).parameters

    generator = Generator(0)
    drawn = [Genotype({kind: random_cell(space.cell, generator) for kind in space.kinds}) for _ in range(20)]
    median = sorted(map(cost, drawn))[10]
    budget = network_budget(space, NetworkSetting(space.skeleton, **facts), Limits(parameters=median))
    strategy = new(tools, neighbours=4, random=4, budget=budget)
    searched(tools, strategy)
    costs = list(map(cost, strategy.finalists()))
    assert len(costs) == 14
    assert max(costs) <= median  # without a budget half of the random ones are above


def test_more_neighbours_than_there_are(tools: Any) -> None:
    # One kind of cells, two kept edges, two operations: two neighbours.
    space = tools.two_nodes(("skip_connect", "max_pool_3x3"), K=0, kept=1)
    plan = tools.plan(space, 4)
    settings = choose_strategy("das").settings

    def finals(neighbours: int) -> Finalists:
        finals = FinalistsSettings(searches=1, neighbours=neighbours, random=0)
        strategy = Finalists(load_strategy("das"), settings, plan, finals)
        searched(tools, strategy)
        return strategy

    assert len(finals(2).finalists()) == 3
    with pytest.raises(AutodasError, match=r"only 2 of 6,000 random architectures are new: ask for fewer"):
        finals(3).finalists()
