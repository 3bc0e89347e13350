"""EDAS: what is relaxed, what is clamped, what moves, and that derivation loses nothing."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch

from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.loop import Compute
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.spaces import alive_of
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.edas import EDAS, Sample
from autodas.supernet import Supernet, genotype_mixture


def new(tools: Any, space: str = "cifar-o2d", iterations: int = 100, **settings: Any) -> EDAS:
    choice = choose_strategy("edas", **settings)
    strategy: EDAS = load_strategy("edas")(choice.settings, tools.plan(tools.space(space), iterations))
    strategy.start(0, "cpu")
    return strategy


def relaxed_edges(strategy: EDAS, mixture: Any) -> list[tuple[str, int]]:
    """The edges on which more than one operation is active."""
    return [(kind, e) for kind, cell in mixture.items() for e, row in enumerate(cell.active) if sum(row) > 1]


@pytest.mark.slow
@pytest.mark.parametrize("space", ["cifar-o2d", "cifar-darts", "cifar-snas"])
def test_all_but_one_edge_are_what_would_be_derived(tools: Any, space: str) -> None:
    strategy = new(tools, space)
    cell, seen = strategy.plan.space.cell, Counter()
    for iteration in range(1, 60):
        tools.wander(strategy, iteration, std=0.2)
        strategy.after_iteration(iteration)
        fresh = load_strategy("das")(choose_strategy("das").settings, tools.plan(tools.space(space)))
        fresh.start(0, "cpu")
        for name, parameter in fresh.parameters().items():
            parameter.data.copy_(strategy.parameters()[name].data)
        derived = fresh.finish().genotype
        assert derived is not None
        for mixture in (strategy.mixture(), strategy.weight_mixture()):
            (relaxed,) = relaxed_edges(strategy, mixture)
            seen[relaxed] += 1
            for kind, found in mixture.items():
                expected = alive_of(derived.cells[kind], cell)
                for edge, row in enumerate(found.active):
                    weights = found.weights[edge]
                    if (kind, edge) == relaxed:
                        assert row == (True,) * len(cell.operations)
                        assert torch.allclose(weights, strategy.alpha[kind][edge].softmax(0))
                    else:
                        assert row == expected[edge]
                        assert weights.tolist() == [float(a) for a in expected[edge]]
    # All 28 edges have their turn, whether the derived cell has them or not.
    assert len(seen) >= 26
    assert max(seen.values()) < 20


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(6, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(0, 3, (6,), generator=generator), torch.arange(6))


def run_of(strategy: EDAS, engine: str = "fused") -> PhaseRun:
    torch.manual_seed(0)
    phase = strategy.phases()[0]
    supernet = Supernet(phase.space, classes=3, channels=1, engine=engine)
    return PhaseRun(phase, 0, strategy, supernet, Classification(3), OptimSettings(), 3, Compute())


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"entropy": 0.1}, {"edges_per_kind": 2}], ids=str)
def test_only_the_relaxed_edge_moves(tools: Any, settings: dict[str, Any]) -> None:
    strategy = new(tools, learning_rate=0.1, weight_decay=0.1, **settings)
    run = run_of(strategy)
    moved_before: set[str] = set()
    for iteration in range(1, 9):
        relaxed = {f"alpha.{kind}.{e}" for kind, e in relaxed_edges(strategy, strategy.mixture())}
        assert len(relaxed) == (4 if settings.get("edges_per_kind") else 1)
        before = {name: p.detach().clone() for name, p in strategy.parameters().items()}
        run.step(batch(iteration), batch(100 + iteration))
        moved = {name for name, p in strategy.parameters().items() if not torch.equal(p, before[name])}
        # Adam has a momentum of edges that moved before, and would go on moving them.
        assert moved == relaxed
        assert {name for name, p in strategy.parameters().items() if p.grad is not None} == relaxed
        moved_before |= moved
        strategy.after_iteration(iteration)
    assert len(moved_before) > 4


@pytest.mark.slow
@pytest.mark.parametrize("space", ["cifar-o2d", "cifar-darts", "cifar-snas"])
def test_nothing_is_lost_in_derivation(tools: Any, space: str) -> None:
    """The derived network has the logits of the clamped supernet, to the bit."""
    strategy = new(tools, space)
    tools.wander(strategy, 3)
    run = run_of(strategy, "reference")
    for iteration in range(1, 4):
        run.step(batch(iteration), batch(100 + iteration))
        strategy.after_iteration(iteration)
    supernet, x = run.supernet.eval(), torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        clamped = supernet(x, strategy.clamped_mixture())
        outcome = strategy.finish()
        assert outcome.genotype is not None
        network = supernet.extract(outcome.genotype)
        assert torch.equal(network(x), clamped)
        assert torch.equal(supernet(x, genotype_mixture(outcome.genotype, strategy.plan.space.cell)), clamped)
        with supernet.computed_by("fused"):
            assert torch.allclose(supernet(x, strategy.clamped_mixture()), clamped, atol=1e-5)


def test_the_weight_step_has_a_sample_of_its_own(tools: Any) -> None:
    strategy = new(tools)
    differ = 0
    for iteration in range(1, 40):
        first, second = strategy.mixture(), strategy.weight_mixture()
        differ += relaxed_edges(strategy, first) != relaxed_edges(strategy, second)
        assert not any(cell.weights.requires_grad for cell in second.values())
        again = strategy.weight_mixture()
        assert all(torch.equal(again[kind].weights, cell.weights) for kind, cell in second.items())
        strategy.after_iteration(iteration)
    assert differ > 30
    assert strategy.constants() is None


@pytest.mark.slow
def test_random_architectures_at_the_start(tools: Any) -> None:
    strategy = new(tools, iterations=2000, random_share=0.5)
    assert strategy.phases()[0].weights_only == 1000
    cell, found = strategy.plan.space.cell, Counter()
    for iteration in range(1, 1000):
        for mixture in strategy.weight_mixture().values():
            edges = [(e, row.index(True)) for e, row in enumerate(mixture.active) if any(row)]
            assert len(edges) == 8
            found.update(edges)
        strategy.after_iteration(iteration)
    # 2 of p edges, 7 operations: 2 / 7 p of the cells for each edge and operation; 5 standard deviations.
    for edge, (_, state) in enumerate(cell.edges):
        for column in range(7):
            share = 2 / state / 7
            assert abs(found[edge, column] - 1998 * share) < 5 * math.sqrt(1998 * share)
    strategy.after_iteration(1000)
    assert relaxed_edges(strategy, strategy.weight_mixture())


@pytest.mark.slow
def test_epsilon_changes_clamped_operations(tools: Any) -> None:
    plain, greedy = new(tools, epsilon=0.0), new(tools, epsilon=0.3)
    tools.wander(plain, 0)
    tools.wander(greedy, 0)
    changed = total = 0
    for iteration in range(1, 200):
        plain.after_iteration(iteration)
        greedy.after_iteration(iteration)
        clamped = {kind: dict(enumerate(m.active)) for kind, m in plain.clamped_mixture().items()}
        for kind, sample in greedy.for_architecture.items():
            for edge, column in sample.clamped.items():
                total += 1
                changed += not clamped[kind][edge][column]
    # One in seven draws the same operation.
    assert changed / total == pytest.approx(0.3 * 6 / 7, abs=0.02)


def test_the_reward_of_entropy(tools: Any) -> None:
    strategy = new(tools, iterations=10, entropy=0.5)
    tools.wander(strategy, 0)
    for iteration in range(10):
        ((kind, edge),) = relaxed_edges(strategy, strategy.mixture())
        weights = strategy.alpha[kind][edge].detach().double().softmax(0).tolist()
        penalty = strategy.penalty()
        assert penalty is not None
        expected = 0.5 * (1 - iteration / 10) * sum(w * math.log(w) for w in weights)
        assert penalty.item() == pytest.approx(expected, rel=1e-5)
        strategy.after_iteration(iteration + 1)
    assert strategy.penalty() is None
    assert new(tools).penalty() is None


def test_skips_are_limited_wherever_an_architecture_is_read_off(tools: Any) -> None:
    strategy = new(tools, skip_limit=1)
    for parameter in strategy.parameters().values():
        parameter.data[0] += 1  # skips win everywhere
    tools.wander(strategy, 0, std=0.1)
    strategy.after_iteration(1)
    for mixture in (strategy.clamped_mixture(), strategy.mixture()):
        skips = {kind: sum(row[0] and sum(row) == 1 for row in m.active) for kind, m in mixture.items()}
        assert skips["normal"] <= 1
        assert skips["reduction"] >= 7
    outcome = strategy.finish()
    assert outcome.genotype is not None
    assert sum(e.operation == "skip_connect" for _, e in outcome.genotype.cells["normal"].edges()) == 1


def test_more_edges_than_there_are_is_refused(tools: Any) -> None:
    with pytest.raises(AutodasError, match=r"edges_per_kind=15.*14 edges"):
        new(tools, edges_per_kind=15)


@pytest.mark.parametrize("name", ["edas", "sdas"])
def test_a_cell_that_carries_nothing_is_trained_like_any_other(tools: Any, name: str) -> None:
    """NAS-Bench-201: all edges into the output may be ``none``; then alpha gets no gradient."""
    choice = choose_strategy(name)
    strategy = load_strategy(name)(choice.settings, tools.plan(tools.space("nasbench201"), 1000))
    strategy.start(0, "cpu")
    none = strategy.plan.space.cell.operations.index("none")
    for parameter in strategy.parameters().values():
        if parameter.dim():
            parameter.data[none] += 5
    if name == "sdas":
        for edge in (3, 4, 5):
            strategy.decisions.fix_edge("normal", edge, none, 0.0)
            del strategy.alpha["normal"][edge], strategy.beta["normal"][edge]
    else:
        strategy.for_architecture = {"normal": Sample(dict.fromkeys(range(1, 6), none), [0])}
    run = run_of(strategy, "fused")
    before = {key: p.detach().clone() for key, p in strategy.parameters().items()}
    bias = run.supernet.classifier.bias.detach().clone()
    run.step(batch(1), batch(2))
    assert all(torch.equal(before[key], p) for key, p in strategy.parameters().items())
    assert not torch.equal(bias, run.supernet.classifier.bias), "weights are trained all the same"
