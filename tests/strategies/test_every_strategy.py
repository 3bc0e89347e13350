"""What every search method has to satisfy.

A method that is added to the registry is tested here without further ado. If it needs other settings to be
quick, cannot search a space, or draws its active candidates anew in every pass, say so in the tables below.
"""

from __future__ import annotations

import gc
import io
import json
import random
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain, pairwise
from typing import Any

import pytest
import torch
from tests.narrow_spaces import narrow, small
from torch import Tensor

from autodas.data import Batch
from autodas.loop import Compute
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.spaces import Space, alive_of
from autodas.strategies import STRATEGIES, choose_strategy, load_strategy, resolve_strategy, strategy_names
from autodas.strategies.base import Phase, Strategy
from autodas.supernet import Supernet

pytestmark = pytest.mark.slow

SPACES = ("cifar-o2d", "cifar-darts", "cifar-snas", "nasbench201")

SETTINGS: dict[str, dict[str, Any]] = {
    "das": {"learning_rate": 0.05},
    "sdas": {"learning_rate": 0.05},
    "random": {"candidates": 3},
    "pcdarts": {"learning_rate": 0.05},
    "pdarts": {"learning_rate": 0.05},
    "snas": {"learning_rate": 0.05},
    "edas": {"learning_rate": 0.05, "random_share": 0.25, "epsilon": 0.2},
    "hdas": {"learning_rate": 0.05, "level": "cells"},  # stages: test_hdas.py
}
"""Settings for quick tests, by canonical name."""

CANNOT_SEARCH: dict[str, set[str]] = {}
"""Spaces that a method refuses, by canonical name."""

SAMPLES = {"edas"}
"""Methods whose mixture has fewer candidates active than are alive."""

ITERATIONS = 12
CASES = [
    pytest.param(name, space, id=f"{name}/{space}")
    for name in strategy_names()
    for space in (SPACES if name in STRATEGIES else SPACES[:1])  # an alias is the same method
    if space not in CANNOT_SEARCH.get(resolve_strategy(name)[0], set())
]


def make(
    tools: Any, name: str, space: str | Space, K: int = 1, iterations: int = ITERATIONS, seed: int = 3
) -> Strategy:
    choice = choose_strategy(name, **SETTINGS.get(resolve_strategy(name)[0], {}))
    searched = tools.space(space, K) if isinstance(space, str) else space
    return load_strategy(name)(choice.settings, tools.plan(searched, iterations, seed))


def iterate(tools: Any, strategy: Strategy, number: int, phase: Phase, start: int = 0) -> Iterator[int]:
    """Go through a phase without a network: parameters move at random. Yields the finished iterations."""
    for iteration in range(start + 1, phase.iterations + 1):
        if iteration > phase.weights_only:
            tools.wander(strategy, 1000 * number + iteration)
        strategy.after_iteration(iteration)
        yield iteration


def whole_run(tools: Any, strategy: Strategy) -> list[Any]:
    """Do all phases; return everything that was seen."""
    seen = []
    planned = list(strategy.phases())
    for number, phase in enumerate(planned):
        started = strategy.start(number, "cpu")
        assert (started.name, started.iterations) == (phase.name, phase.iterations)
        for _ in iterate(tools, strategy, number, phase):
            seen.append((strategy.remaining(), strategy.snapshot()))
        seen.append(strategy.finish())
        assert list(strategy.phases()) == planned, "what is planned does not change"
    return seen


def same(left: Any, right: Any) -> bool:
    """Equality to the bit of nested plain data and tensors."""
    if isinstance(left, Tensor):
        return isinstance(right, Tensor) and left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def through_a_file(state: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def batches(count: int, seed: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Batch(
            torch.randn(4, 1, 8, 8, generator=generator),
            torch.randint(0, 3, (4,), generator=generator),
            torch.arange(4),
        )
        for _ in range(count)
    ]


def phase_run(strategy: Strategy, number: int, phase: Phase, seed: int = 0) -> PhaseRun:
    torch.manual_seed(seed)
    strategy.start(number, "cpu")
    supernet = Supernet(phase.space, classes=3, channels=1)
    optim = OptimSettings(lr=0.05)
    return PhaseRun(phase, number, strategy, supernet, Classification(3), optim, 2, Compute())


@cache
def supernet_of(space: Space) -> Supernet:
    return Supernet(space, classes=3, channels=1)


def owned(optimiser: torch.optim.Optimizer | None) -> list[int]:
    if optimiser is None:
        return []
    return [id(p) for group in optimiser.param_groups for p in group["params"]]


def check_ownership(run: PhaseRun) -> None:
    """Each optimiser holds its own parameters, all of them, once, and nothing that is gone."""
    weights, architecture = owned(run.weight_optimiser), owned(run.architecture_optimiser)
    assert sorted(weights) == sorted(map(id, run.supernet.parameters()))
    assert sorted(architecture) == sorted(map(id, run.strategy.parameters().values()))
    assert len({*weights, *architecture}) == len(weights) + len(architecture)
    for optimiser, ids in ((run.weight_optimiser, weights), (run.architecture_optimiser, architecture)):
        if optimiser is not None:
            assert {id(p) for p in optimiser.state} <= set(ids)
    operations = run.phase.space.cell.operations
    alive = run.strategy.alive()
    for cell in run.supernet.relaxed_cells():
        for edge, row in enumerate(alive[cell.slot.kind]):
            expected = {name for name, a in zip(operations, row, strict=True) if a and name != "none"}
            assert set(cell.candidates(edge)) == expected


@pytest.mark.parametrize(("name", "space"), CASES)
class TestEveryStrategy:
    def test_phases(self, tools: Any, name: str, space: str) -> None:
        strategy = make(tools, name, space)
        phases = list(strategy.phases())
        assert phases
        assert all(p.iterations >= 1 and 0 <= p.weights_only <= p.iterations for p in phases)
        assert len({p.name for p in phases}) == len(phases)
        for number, phase in enumerate(phases):
            assert strategy.name == resolve_strategy(name)[0]
            strategy.start(number, "cpu")
            assert strategy.alive() == dict(phase.alive)
            assert set(strategy.alive()) == set(phase.space.kinds)

    def test_mixture(self, tools: Any, name: str, space: str) -> None:
        strategy = make(tools, name, space)
        for number, phase in enumerate(strategy.phases()):
            strategy.start(number, "cpu")
            for iteration in iterate(tools, strategy, number, phase):
                if iteration % max(1, phase.iterations // ITERATIONS) and iteration < phase.iterations:
                    continue
                alive, mixture = strategy.alive(), strategy.mixture()
                assert set(mixture) == set(phase.space.kinds)
                for kind, cell in mixture.items():
                    active, shape = torch.tensor(cell.active), torch.tensor(alive[kind])
                    assert cell.weights.shape == shape.shape
                    assert bool((active <= shape).all()), "active but not alive"
                    if strategy.name not in SAMPLES:
                        assert cell.active == alive[kind]
                    # Softmax (SDAS, section 3.1): the weights of an edge that is there sum to 1.
                    there = active if strategy.name in SAMPLES else shape
                    sums = (cell.weights * active).sum(1)[there.any(1)]
                    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-6)
                    assert bool((cell.weights >= 0).all())
                    if cell.edges is not None:
                        assert cell.edges.shape == (len(cell.weights),)
                        assert bool(((cell.edges >= 0) & (cell.edges <= 1)).all())

    def test_alive_only_shrinks(self, tools: Any, name: str, space: str) -> None:
        strategy = make(tools, name, space)
        for number, phase in enumerate(strategy.phases()):
            strategy.start(number, "cpu")
            before, remaining = strategy.alive(), strategy.remaining()
            for _ in iterate(tools, strategy, number, phase):
                alive, left = strategy.alive(), strategy.remaining()
                for kind in alive:
                    assert bool((torch.tensor(alive[kind]) <= torch.tensor(before[kind])).all())
                assert 1 <= left <= remaining
                assert (left < remaining) == (alive != before)
                before, remaining = alive, left

    def test_parameters_are_trainable_and_the_strategys_own(self, tools: Any, name: str, space: str) -> None:
        strategy = make(tools, name, space, K=0)
        for number, phase in enumerate(strategy.phases()):
            strategy.start(number, "cpu")
            parameters = list(strategy.parameters().values())
            assert all(p.requires_grad and p.is_leaf for p in parameters)
            assert len({id(p) for p in parameters}) == len(parameters)
            weights = set(map(id, supernet_of(phase.space).parameters()))
            assert not weights & {id(p) for p in parameters}
            if parameters:
                total = sum(
                    (m.weights * torch.arange(m.weights.numel()).reshape(m.weights.shape)).sum()
                    + (0 if m.edges is None else m.edges.sum())
                    for m in strategy.mixture().values()
                )
                # What a sample does not reach gets no gradient, not even zeros.
                sampled = strategy.name in SAMPLES
                found = torch.autograd.grad(total, parameters, allow_unused=sampled)
                gradients = [g for g in found if g is not None]
                assert all(bool(g.isfinite().all()) for g in gradients)
                assert any(bool(g.abs().max() > 0) for g in gradients)

    def test_finish(self, tools: Any, name: str, space: str) -> None:
        strategy = make(tools, name, space)
        for number, phase in enumerate(strategy.phases()):
            strategy.start(number, "cpu")
            for _ in iterate(tools, strategy, number, phase):
                pass
            before, outcome = strategy.alive(), strategy.finish()
            found = [] if outcome.genotype is None else [outcome.genotype]
            for genotype in [*found, *(other.genotype for other in outcome.others)]:
                phase.space.validate(genotype)
                assert set(genotype.cells) == set(phase.space.kinds)
                assert genotype.space == phase.space.cell.name
                if not phase.space.cell.none_is_a_choice:
                    assert all(e.operation != "none" for c in genotype.cells.values() for _, e in c.edges())
                # The search evaluates it with what the supernet holds now.
                for kind, cell in genotype.cells.items():
                    kept = torch.tensor(alive_of(cell, phase.space.cell))
                    assert bool((kept <= torch.tensor(before[kind])).all())
            if outcome.genotype is not None:
                cells = outcome.genotype.cells
                alive = {kind: alive_of(cell, phase.space.cell) for kind, cell in cells.items()}
                assert strategy.alive() == alive
                assert strategy.remaining() == 1
            else:
                # What is handed on to the next phase: it starts with that.
                assert number + 1 < len(strategy.phases())
                following = strategy.present(strategy.phases()[number + 1], number + 1)
                assert strategy.alive() == dict(following.alive)
            assert all(0 <= d.priority <= 1 for d in outcome.decisions)
            plain = [d.detail for d in outcome.decisions], outcome.facts, [o.facts for o in outcome.others]
            json.dumps(plain, allow_nan=False)
        assert outcome.genotype is not None

    def test_state_continues_as_if_never_stopped(self, tools: Any, name: str, space: str) -> None:
        draw = random.Random(name + space)
        strategy = make(tools, name, space)
        for number, phase in enumerate(strategy.phases()):
            strategy.start(number, "cpu")
            last = phase.iterations
            stops = {0, last, draw.randint(1, last), draw.randint(1, last)}
            states, seen = {}, {}
            for iteration in chain([0], iterate(tools, strategy, number, phase)):
                if iteration in stops:
                    states[iteration] = through_a_file(strategy.state_dict())
                    seen[iteration] = self.look(strategy)
            expected = strategy.finish()
            for stop in sorted(seen):
                fresh = make(tools, name, space)
                fresh.start(number, "cpu")
                fresh.load_state_dict(states[stop])
                assert same(self.look(fresh), seen[stop])
                assert all(p.requires_grad and p.is_leaf for p in fresh.parameters().values())
                for _ in iterate(tools, fresh, number, phase, stop):
                    pass
                assert fresh.finish() == expected

    @staticmethod
    def look(strategy: Strategy) -> dict[str, Any]:
        """Copy all that can be seen of a strategy."""
        return {
            "parameters": {n: p.detach().clone() for n, p in strategy.parameters().items()},
            "order": list(strategy.parameters()),
            "mixture": {
                kind: (m.weights.detach(), m.active, 0 if m.edges is None else m.edges.detach())
                for kind, m in strategy.mixture().items()
            },
            "alive": strategy.alive(),
            "remaining": strategy.remaining(),
            "snapshot": strategy.snapshot(),
        }

    def test_same_seed_same_result(self, tools: Any, name: str, space: str) -> None:
        first, second = make(tools, name, space), make(tools, name, space)
        torch.manual_seed(1)
        seen = whole_run(tools, first)
        torch.manual_seed(2)  # the global generator is nobody's seed
        assert whole_run(tools, second) == seen

    def test_snapshot_is_json(self, tools: Any, name: str, space: str) -> None:
        strategy = make(tools, name, space)
        for number, phase in enumerate(strategy.phases()):
            strategy.start(number, "cpu")
            for iteration in chain([0], iterate(tools, strategy, number, phase)):
                if iteration in (0, 1, phase.iterations // 2, phase.iterations):
                    snapshot = strategy.snapshot()
                    assert json.loads(json.dumps(snapshot, allow_nan=False)) == snapshot

    def test_expected_cost(self, tools: Any, name: str, space: str) -> None:
        strategy = make(tools, name, space)
        for number in range(len(strategy.phases())):
            strategy.start(number, "cpu")
            costs = [strategy.expected_cost(i / 100) for i in range(101)]
            assert costs[0] == 1
            assert all(0 < later <= earlier for earlier, later in pairwise(costs))


def supernet_space(tools: Any, name: str) -> Space:
    """One space does: what a space has of its own is tested above. P-DARTS drops most of its operations."""
    space = tools.space(SPACES[0], 0)
    return narrow(space) if name == "pdarts" else small(space)


@pytest.fixture
def collected() -> Iterator[Callable[[], int]]:
    """Collects garbage, but for what was there before the test: in a whole run that is a lot."""
    gc.freeze()
    yield gc.collect
    gc.unfreeze()


@pytest.mark.parametrize("name", strategy_names())
class TestWithASupernet:
    def test_optimisers_own_exactly_what_is_alive(
        self, tools: Any, name: str, collected: Callable[[], int]
    ) -> None:
        iterations = 3
        strategy = make(tools, name, supernet_space(tools, name), iterations=iterations)
        for number, phase in list(enumerate(strategy.phases()))[:3]:
            run = phase_run(strategy, number, phase)
            check_ownership(run)
            before = weakref.WeakSet(run.supernet.parameters())
            complete = phase.iterations <= iterations
            for train, valid in zip(batches(iterations, 5), batches(iterations, 6), strict=True):
                if run.iteration < phase.iterations:
                    run.step(train, valid if run.searches else None)
                    strategy.after_iteration(run.iteration)
                    run.let_go()
                    check_ownership(run)
            if complete or phase.weights_only == phase.iterations:
                genotype = strategy.finish().genotype
                run.let_go()
                check_ownership(run)
                if genotype is None:
                    continue
                last = phase.space.kinds[-1]
                edges = sum(e.operation != "none" for _, e in genotype.cells[last].edges())
                cells = run.supernet.relaxed_cells()
                assert sum(
                    len(c.candidates(e)) for c in cells for e in range(len(c.space.edges))
                ) == edges * len(cells)
            collected()
            # What was given up has left memory: nobody holds on to it.
            assert {id(p) for p in before} == {id(p) for p in run.supernet.parameters()}

    def test_a_phase_resumes_to_the_bit(self, tools: Any, name: str) -> None:
        """4 iterations against 2, a checkpoint, and 2, the alphas included."""
        train, valid = batches(4, 7), batches(4, 8)

        def go(run: PhaseRun, first: int, last: int) -> None:
            for i in range(first, min(last, run.phase.iterations)):
                torch.manual_seed(i)
                run.step(train[i], valid[i] if run.searches else None)
                run.strategy.after_iteration(run.iteration)
                run.let_go()

        strategy = make(tools, name, supernet_space(tools, name), iterations=4)
        whole = phase_run(strategy, 0, strategy.phases()[0])
        go(whole, 0, 2)
        state = through_a_file(whole.state_dict())
        go(whole, 2, 4)

        strategy = make(tools, name, supernet_space(tools, name), iterations=4)
        resumed = phase_run(strategy, 0, strategy.phases()[0], seed=99)
        resumed.load_state_dict(state)
        check_ownership(resumed)
        go(resumed, 2, 4)
        assert same(resumed.state_dict(), whole.state_dict())
        assert same(TestEveryStrategy.look(resumed.strategy), TestEveryStrategy.look(whole.strategy))
