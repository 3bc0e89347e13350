"""P-DARTS: stages, survivors, dropout after skips, the limit to skips."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.spaces import CellSpace, Space, get_space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies._derivation import choose, limit_skips
from autodas.strategies.base import SearchPlan
from autodas.strategies.pdarts import PDARTS


def new(space: Space, epochs: int = 75, length: int = 2, **settings: Any) -> PDARTS:
    plan = SearchPlan(space, epochs * length, 0, lambda alive: 1, length)
    strategy: PDARTS = load_strategy("pdarts")(choose_strategy("pdarts", **settings).settings, plan)
    return strategy


def stages(strategy: PDARTS, tools: Any, seed: int) -> Iterator[int]:
    """Go through the stages with alphas drawn at random; the stages are yet to be finished."""
    for stage in range(3):
        strategy.start(stage, "cpu")
        tools.wander(strategy, seed + stage, std=1.0)
        yield stage


def test_the_stages_of_the_paper() -> None:
    strategy = new(get_space("cifar-darts").with_size(K=1))
    phases = strategy.phases()
    assert [len(p.space.skeleton.slots()) for p in phases] == [5, 11, 17]
    assert [[s.index for s in p.space.skeleton.slots() if s.reduces] for p in phases] == [
        [L // 3, 2 * L // 3] for L in (5, 11, 17)
    ]
    assert [(p.iterations, p.weights_only) for p in phases] == [(50, 20)] * 3
    assert {p.space.skeleton.width for p in phases} == {16}


@pytest.mark.parametrize(("space", "counts"), [("cifar-darts", (8, 5, 3)), ("cifar-o2d", (7, 5, 3))])
def test_each_edge_keeps_its_strongest_operations(tools: Any, space: str, counts: tuple[int, ...]) -> None:
    strategy = new(tools.space(space))
    operations = strategy.plan.space.cell.operations
    expected = {(kind, e): set(range(len(operations))) for kind in ("normal", "reduction") for e in range(14)}
    masks = set()
    for stage in stages(strategy, tools, 5):
        alive = strategy.alive()
        alphas = {name: p.detach().double().numpy() for name, p in strategy.parameters().items()}
        for (kind, edge), there in expected.items():
            assert {o for o, a in enumerate(alive[kind][edge]) if a} == there
            assert len(there) == counts[stage]
            masks.add(alive[kind][edge])
            # The softmax keeps the order: the largest alphas stay, whatever the operation.
            alpha = dict(zip(sorted(there), alphas[f"alpha.{kind}.{edge}"], strict=True))
            assert len(alpha) == counts[stage]
            powers = {o: math.exp(a) for o, a in alpha.items()}
            weights = strategy.mixture()[kind].weights[edge].tolist()
            for o in range(len(operations)):
                assert weights[o] == pytest.approx(powers.get(o, 0.0) / sum(powers.values()), abs=1e-6)
            if stage < 2:
                expected[kind, edge] = set(sorted(alpha, key=lambda o: -alpha[o])[: counts[stage + 1]])
        outcome = strategy.finish()
        assert (outcome.genotype is None) == (stage < 2)
    assert len(masks) > 20  # every edge and kind has its own


def test_new_alphas_in_every_stage(tools: Any) -> None:
    strategy = new(tools.space("cifar-o2d"))
    drawn = []
    for stage in range(3):
        strategy.start(stage, "cpu")
        drawn.append(torch.cat([p.detach() for p in strategy.parameters().values()]))
        tools.wander(strategy, stage, std=1.0)
        strategy.finish()
    for alpha in drawn:
        assert alpha.std().item() == pytest.approx(1e-3, rel=0.2)
    assert not torch.equal(drawn[0][:10], drawn[1][:10])


def test_dropout_after_skips_at_every_epoch() -> None:
    strategy = new(get_space("cifar-darts").with_size(K=1), length=3)
    for stage, rate in enumerate((0.0, 0.4, 0.7)):
        strategy.start(stage, "cpu")
        for iteration in range(75):
            # As the public code has it, for 25 epochs of which 10 train the weights only.
            epoch = iteration // 3
            expected = rate * (25 - epoch - 1) / 25 if epoch < 10 else rate * math.exp(-0.2 * (epoch - 10))
            for cell in strategy.mixture().values():
                assert cell.noise.skip_dropout == pytest.approx(expected)
                assert cell.noise.drop_path == 0
            assert strategy.constants() == pytest.approx(expected)
            strategy.after_iteration(iteration + 1)
        strategy.finish()


def skips_of(genotype: Genotype, kind: str) -> int:
    return sum(e.operation == "skip_connect" for _, e in genotype.cells[kind].edges())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_every_limit_to_skips(tools: Any, seed: int) -> None:
    strategy = new(tools.space("cifar-o2d"))
    skip = strategy.plan.space.cell.operations.index("skip_connect")
    for stage in stages(strategy, tools, 100 * seed):
        for kind, mask in strategy.alive().items():
            for edge, row in enumerate(mask):
                if row[skip]:  # skips win nearly everywhere
                    strategy.parameters()[f"alpha.{kind}.{edge}"].data[sum(row[:skip])] += 3
        weights, outcome = strategy.probabilities(), strategy.finish()
        if stage < 2:
            assert [other.facts["stage"] for other in outcome.others] == [stage + 1]
    assert outcome.genotype is not None
    found = [(outcome.genotype, outcome.facts), *((o.genotype, o.facts) for o in outcome.others)]
    assert len({genotype for genotype, _ in found}) == len(found)
    limits = {limit: (genotype, facts) for genotype, facts in found for limit in facts["limits"]}
    assert set(limits) == set(range(9))
    assert limits[2][0] == outcome.genotype
    operations = list(strategy.plan.space.cell.operations)
    for limit, (genotype, facts) in limits.items():
        assert facts["stage"] == 3
        assert facts["skips"] == {"normal": skips_of(genotype, "normal")}
        assert facts["skips"]["normal"] <= limit
        assert genotype.cells["reduction"] == outcome.genotype.cells["reduction"]  # it is not limited
        score = sum(
            weights[kind][strategy.plan.space.cell.edges.index((e.predecessor, state))][
                operations.index(e.operation)
            ]
            for kind, cell in genotype.cells.items()
            for state, e in cell.edges()
        )
        assert facts["score"] == pytest.approx(score)
    assert skips_of(outcome.genotype, "reduction") > 2
    scores = [limits[limit][1]["score"] for limit in range(9)]
    assert scores == sorted(scores)  # whatever is forbidden costs


def test_a_limited_cell_by_hand() -> None:
    # Node 2 reads 0 and 1, node 3 reads 0, 1 and 2.
    cell = CellSpace("hand", ("skip_connect", "max_pool_3x3", "sep_conv_3x3"), nodes=2)
    weights = [[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.6, 0.1, 0.3], [0.7, 0.2, 0.1], [0.55, 0.2, 0.25]]
    # Without a limit: skips on both edges of node 2, on edges 3 and 2 of node 3.
    assert choose(cell, weights).kept(cell) == {0: 0, 1: 0, 2: 0, 3: 0}
    # Edge 1 (0.5) loses its skip: its pool stays. Of three the weakest is edge 2's (0.6); edge 2 is now worth
    # 0.3, and edge 4 enters in its place, with a skip (0.55), which has to go as well: then edge 2 is back.
    limited = limit_skips(cell, weights, 2)
    assert choose(cell, limited).kept(cell) == {0: 0, 1: 1, 2: 2, 3: 0}
    assert [row[0] for row in limited] == [0.8, 0.0, 0.0, 0.7, 0.0]
    assert limit_skips(cell, weights, 4) == weights
    assert not any(o == 0 for o in choose(cell, limit_skips(cell, weights, 0)).kept(cell).values())
    # Where nothing else can win, a skip stays.
    only = CellSpace("only", ("none", "skip_connect"), nodes=1)
    assert choose(only, limit_skips(only, [[0.5, 0.5]] * 2, 0)).kept(only) == {0: 1, 1: 1}


def test_limited_cells_have_the_best_score_of_one_less_skip() -> None:
    """One skip too many: among cells without one of the skips, none scores more than what is found."""
    cell = CellSpace("all", ("skip_connect", "max_pool_3x3", "sep_conv_3x3"), nodes=2, kept="all")
    draw = np.random.default_rng(3)
    for _ in range(50):
        weights = draw.dirichlet([2, 1, 1], 5).tolist()
        plain = choose(cell, weights).kept(cell)
        skips = [e for e, o in plain.items() if o == 0]
        if not skips:
            continue
        found = choose(cell, limit_skips(cell, weights, len(skips) - 1)).kept(cell)
        changed = [e for e in plain if plain[e] != found[e]]
        # All edges stay, so the weakest skip alone becomes what is second there.
        assert changed == [min(skips, key=lambda e: weights[e][0])]


def test_lengths_of_stages() -> None:
    space = get_space("cifar-o2d").with_size(1, 8, 16)
    for epochs, length, expected in [
        (10, 11, [33, 33, 44]),
        (3, 7, [7, 7, 7]),
        (1, 11, [3, 4, 4]),
        (2, 4, [2, 3, 3]),
    ]:
        phases = new(space, epochs, length).phases()
        assert [p.iterations for p in phases] == expected
        assert all(p.weights_only < p.iterations for p in phases)


def test_spaces_and_budgets_that_do_not_fit_are_refused(tools: Any) -> None:
    with pytest.raises(AutodasError, match=r"'cifar-two-nodes' has 2"):
        new(tools.two_nodes(("skip_connect", "sep_conv_3x3")))
    with pytest.raises(AutodasError, match="raise `epochs`"):
        new(tools.space("cifar-o2d"), epochs=1, length=2)
    with pytest.raises(AutodasError, match="operations must be 2 numbers of at least 3"):
        choose_strategy("pdarts", operations=(5, 2))


@pytest.mark.slow
def test_spaces_with_few_operations_are_narrowed_where_they_can_be(tools: Any) -> None:
    space = tools.two_nodes(("none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3"))
    counts = []
    strategy = new(space)
    for _ in stages(strategy, tools, 0):
        counts.append({sum(row) for mask in strategy.alive().values() for row in mask})
        strategy.finish()
    assert counts == [{4}, {4}, {3}]


def test_later_stages_are_planned_as_the_dearest_that_they_can_be(tools: Any) -> None:
    strategy = new(tools.space("cifar-darts"))
    operations = strategy.plan.space.cell.operations
    guessed = [
        {o for o, a in zip(operations, p.alive["normal"][0], strict=True) if a} for p in strategy.phases()
    ]
    assert guessed[1] == {"sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "max_pool_3x3"}
    assert guessed[2] == {"sep_conv_3x3", "sep_conv_5x5", "dil_conv_5x5"}


def test_skips_are_limited_in_all_kinds_that_do_not_reduce(tools: Any) -> None:
    strategy = new(tools.space("cifar-o2d"))
    assert set(strategy.space.skeleton.level_kinds) == {"normal"}
    space = strategy.plan.space
    stages = tuple(replace(s, kind=f"{s.kind} {i}") for i, s in enumerate(space.skeleton.stages))
    many = replace(space, skeleton=replace(space.skeleton, stages=stages))
    assert set(new(many).space.skeleton.level_kinds) == {"normal 0", "normal 2", "normal 4"}
