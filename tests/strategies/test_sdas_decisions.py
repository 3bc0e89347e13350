"""Which decisions SDAS takes, against an implementation that shares nothing with the code.

Sources: SDAS section 3.2, and small cases worked out by hand.
"""

from __future__ import annotations

from itertools import combinations, pairwise, product
from math import comb, prod
from typing import Any

import numpy as np
import pytest
import torch

from autodas.spaces import CellSpace
from autodas.strategies import SDASSettings
from autodas.strategies._stability import Stability
from autodas.strategies.sdas import SDAS

M = 34  # 2 kinds * (14 edges + 3 nodes with more than 2 predecessors)

EXACT = {
    "a": lambda t, T: M * t // T,
    "b": lambda t, T: M * t**4 // T**4,
    "c": lambda t, T: M * (T**4 - (T - t) ** 4) // T**4,
}

EDGES = [(p, s) for s in range(2, 6) for p in range(s)]


class ByHand:
    """The decisions of SDAS over plain arrays: kinds x edges (x operations)."""

    def __init__(self, operations: tuple[str, ...]) -> None:
        self.operations = operations
        self.choices = [o for o, name in enumerate(operations) if name != "none"]
        self.resolved: dict[tuple[int, int], int] = {}
        self.kept: dict[tuple[int, int], set[int]] = {}

    def decide(self, alpha: np.ndarray, beta: np.ndarray) -> tuple[Any, ...]:
        """Return (kind, what, number, choice, lead) of the next decision, and take it."""
        best: tuple[Any, ...] | None = None
        for kind in range(2):
            for edge in range(14):
                if (kind, edge) in self.resolved:
                    continue
                weights = np.exp(alpha[kind, edge]) / np.exp(alpha[kind, edge]).sum()
                order = sorted(self.choices, key=lambda o: -weights[o])
                lead = weights[order[0]] - weights[order[1]]
                if best is None or lead > best[4]:
                    best = (kind, "edge", edge, order[0], lead)
            for node in range(3, 6):
                into = [e for e, (_, s) in enumerate(EDGES) if s == node]
                if (kind, node) in self.kept or any((kind, e) not in self.resolved for e in into):
                    continue
                weights = 1 / (1 + np.exp(-beta[kind]))
                order = sorted(into, key=lambda e: -weights[e])
                lead = weights[order[1]] - weights[order[2]]
                if best is None or lead > best[4]:
                    best = (kind, "node", node, set(order[:2]), lead)
        assert best is not None
        if best[1] == "edge":
            self.resolved[best[0], best[2]] = best[3]
        else:
            self.kept[best[0], best[2]] = best[3]
        return best

    def remaining(self) -> int:
        """By hand: C(r, 2) + n r (p - r) + n^2 C(p - r, 2) a node, 1 once it is decided."""
        n = len(self.choices)
        counts = []
        for kind in range(2):
            for node in range(2, 6):
                into = [e for e, (_, s) in enumerate(EDGES) if s == node]
                p, r = len(into), sum((kind, e) in self.resolved for e in into)
                open_ = comb(r, 2) + n * r * (p - r) + n * n * comb(p - r, 2)
                counts.append(1 if (kind, node) in self.kept else open_)
        return prod(counts)


def new(tools: Any, schedule: str = "a", T: int = M, space: str = "cifar-o2d", **settings: Any) -> SDAS:
    strategy = SDAS(SDASSettings(schedule=schedule, **settings), tools.plan(tools.space(space), T))
    strategy.start(0, "cpu")
    return strategy


def set_all(strategy: SDAS, alpha: np.ndarray, beta: np.ndarray) -> None:
    for number, kind in enumerate(strategy.plan.space.kinds):
        for table, values in ((strategy.alpha, alpha), (strategy.beta, beta)):
            for edge, parameter in table[kind].items():
                parameter.data = torch.tensor(values[number, edge], dtype=torch.float32)


def as_by_hand(strategy: SDAS, decision: Any) -> tuple[Any, ...]:
    cell, kind = strategy.plan.space.cell, strategy.plan.space.kinds.index(decision.kind)
    detail = decision.detail
    if decision.what == "edge":
        choice = cell.operations.index(detail["operation"])
        return kind, "edge", cell.edges.index(tuple(detail["edge"])), choice
    edges = {cell.edges.index((p, detail["state"])) for p in detail["kept"]}
    assert sorted(detail["kept"] + detail["removed"]) == list(range(detail["state"]))
    return kind, "node", detail["state"], edges


@pytest.mark.parametrize("space", ["cifar-o2d", "cifar-darts"])
@pytest.mark.parametrize(
    ("schedule", "T", "coarse"),
    [("a", 34, False), ("a", 50, False), ("b", 20, False), ("c", 20, False), ("a", 34, True), ("c", 9, True)],
)
def test_every_decision_is_the_one_of_highest_priority(
    tools: Any, space: str, schedule: str, T: int, coarse: bool
) -> None:
    strategy = new(tools, schedule, T, space)
    operations = strategy.plan.space.cell.operations
    by_hand, draw = ByHand(operations), np.random.default_rng(T)
    done = 0
    for t in range(1, T + 1):
        # Coarse values make many ties: kinds first, then edges before nodes, then the lower number.
        shape = (2, 14, len(operations))
        alpha = draw.integers(0, 2, shape) if coarse else draw.normal(size=shape)
        beta = draw.integers(0, 2, (2, 14)) if coarse else draw.normal(size=(2, 14))
        alpha, beta = alpha.astype(np.float32).astype(float), beta.astype(np.float32).astype(float)
        set_all(strategy, alpha, beta)
        decisions = strategy.after_iteration(t)
        assert len(decisions) == EXACT[schedule](t, T) - done
        for decision in decisions:
            done += 1
            expected = by_hand.decide(alpha, beta)
            assert as_by_hand(strategy, decision) == expected[:4]
            assert decision.priority == pytest.approx(expected[4], abs=1e-12)
            assert decision.step == done
            assert decision.remaining == by_hand.remaining()
        assert strategy.remaining() == by_hand.remaining()
    assert done == M
    nodes = {"edge": 28, "node": 6}
    outcome = strategy.finish()
    genotype, rest = outcome.genotype, outcome.decisions
    assert list(rest) == []
    assert len(by_hand.resolved) == nodes["edge"]
    assert len(by_hand.kept) == nodes["node"]
    for number, kind in enumerate(strategy.plan.space.kinds):
        for state, node in zip(range(2, 6), genotype.cells[kind].nodes, strict=True):
            kept = by_hand.kept.get((number, state), {0, 1})
            edges = [(operations[by_hand.resolved[number, e]], EDGES[e][0]) for e in sorted(kept)]
            assert [tuple(edge) for edge in node] == edges


def test_at_the_very_start_ties_fall_in_order(tools: Any) -> None:
    # alpha = beta = 0: every lead is 0. All edges of the first kind, in order, come before its nodes.
    strategy = new(tools, T=1)
    found = [as_by_hand(strategy, d)[:3] for d in strategy.after_iteration(1)]
    first = [(0, "edge", e) for e in range(14)] + [(0, "node", s) for s in (3, 4, 5)]
    assert found == first + [(1, *rest) for _, *rest in first]
    genotype = strategy.finish().genotype
    assert all(
        edge == ("skip_connect", p) for n in genotype.cells["normal"].nodes for p, edge in enumerate(n)
    )


def test_none_neither_wins_an_edge_nor_narrows_its_lead(tools: Any) -> None:
    strategy = new(tools, T=M, space="cifar-darts")
    # Edge 0: none 5, pool 1, rest 0: the lead is (e^1 - e^0) / (e^5 + e^1 + 6). Edge 1: two nearly equal.
    # All other edges: all equal, lead 0.
    alpha = np.zeros((2, 14, 8))
    alpha[0, 0, :2] = 5, 1
    alpha[0, 1, 3:5] = 2, 1.999
    set_all(strategy, alpha, np.zeros((2, 14)))
    (decision,) = strategy.after_iteration(1)
    assert as_by_hand(strategy, decision) == (0, "edge", 0, 1)
    assert decision.priority == pytest.approx((np.e - 1) / (np.exp(5) + np.e + 6), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "lengths"), [("a", range(1, 41)), ("b", (1, 3, 34, 40)), ("c", (1, 3, 34, 40))]
)
def test_all_steps_are_taken_after_any_number_of_iterations(tools: Any, schedule: str, lengths: Any) -> None:
    for T in lengths:
        strategy = new(tools, schedule, T)
        tools.wander(strategy, T)
        remaining = [strategy.remaining()]
        for t in range(1, T + 1):
            remaining += [d.remaining for d in strategy.after_iteration(t)]
        assert len(remaining) == M + 1
        # SDAS, table 1: 1.07e18 at the start. (1 * 3 * 6 * 10 * 7^8)^2, and 1 in the end.
        assert remaining[0] == (180 * 7**8) ** 2
        assert remaining[-1] == 1
        assert all(later < earlier for earlier, later in pairwise(remaining))
        assert strategy.parameters() == {}
        strategy.plan.space.validate(strategy.finish().genotype)


def compatible(cell: CellSpace, alive: Any) -> int:
    """Count one cell's genotypes by looking at every one of them."""
    count = 0
    nodes = []
    for state in cell.states:
        options = []
        for chosen in combinations(range(state), cell.kept_edges(state)):
            options += [
                tuple(zip(chosen, names, strict=True)) for names in product(cell.choices, repeat=len(chosen))
            ]
        nodes.append([(state, option) for option in options])
    for genotype in product(*nodes):
        edges = [
            (cell.edges.index((p, s)), cell.operations.index(o)) for s, option in genotype for p, o in option
        ]
        fits = all(alive[e][o] for e, o in edges)
        # Nodes that are decided have exactly their edges; removed ones are dead, so nothing else to check.
        count += fits
    return count


@pytest.mark.parametrize("kept", [2, 1, "all"])
@pytest.mark.parametrize("seed", range(4))
def test_remaining_counts_the_architectures(tools: Any, kept: Any, seed: int) -> None:
    space = tools.two_nodes(("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"), kept=kept)
    # 2 kinds: 5 edges, and a node step for those with more predecessors than they keep.
    steps = 2 * (5 + {2: 1, 1: 2, "all": 0}[kept])
    strategy = SDAS(SDASSettings(), tools.plan(space, steps))
    strategy.start(0, "cpu")
    for t in range(1, steps + 1):
        before = strategy.remaining()
        assert before == prod(compatible(space.cell, alive) for alive in strategy.alive().values())
        tools.wander(strategy, 100 * seed + t, std=2.0)
        (decision,) = strategy.after_iteration(t)
        assert decision.remaining == strategy.remaining() < before
    assert strategy.remaining() == 1


@pytest.mark.parametrize("keep_beta", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_mixture_parameters_and_masks_after_every_decision(tools: Any, keep_beta: bool, seed: int) -> None:
    strategy = new(tools, keep_beta=keep_beta)
    kinds = strategy.plan.space.kinds
    resolved: dict[tuple[str, int], int] = {}
    kept: dict[tuple[str, int], set[int]] = {}
    for t in range(1, M + 1):
        tools.wander(strategy, 50 * seed + t)
        before = strategy.parameters()
        (decision,) = strategy.after_iteration(t)
        kind, what, number, choice = as_by_hand(strategy, decision)
        if what == "edge":
            assert (kinds[kind], number) not in resolved
            resolved[kinds[kind], number] = choice
        else:
            # A node's turn comes when all its edges have their operation.
            into = [e for e, (_, s) in enumerate(EDGES) if s == number]
            assert all((kinds[kind], e) in resolved for e in into)
            kept[kinds[kind], number] = choice
        after = strategy.parameters()
        # What stays is the same tensor: optimisers know parameters by identity.
        assert all(after[name] is before[name] for name in after)
        for name in kinds:
            self_check(strategy, name, resolved, kept, keep_beta and t < M)
    assert strategy.parameters() == {}


def self_check(
    strategy: SDAS,
    kind: str,
    resolved: dict[tuple[str, int], int],
    kept: dict[tuple[str, int], set[int]],
    keep_beta: bool,
) -> None:
    mixture, parameters = strategy.mixture()[kind], strategy.parameters()
    for edge, (_, state) in enumerate(EDGES):
        alpha = parameters.get(f"alpha.{kind}.{edge}")
        beta = parameters.get(f"beta.{kind}.{edge}")
        column = resolved.get((kind, edge))
        factor = 1.0 if mixture.edges is None else float(mixture.edges[edge].detach())
        row, active = mixture.weights[edge].detach(), mixture.active[edge]
        into = [e for e, (_, s) in enumerate(EDGES) if s == state]
        if state == 2:
            # k = 2 predecessors: nothing to choose, a plain sum as soon as both edges are resolved.
            decided = all((kind, e) in resolved for e in into)
            survives = True
        else:
            decided = (kind, state) in kept
            survives = not decided or edge in kept[kind, state]
        assert (alpha is not None) == (column is None)
        assert (beta is not None) == (not decided or (keep_beta and survives))
        if column is None:
            # Equation 2: softmax of alpha, everything computed.
            assert alpha is not None
            assert torch.allclose(row, alpha.detach().softmax(0))
            assert all(active)
        elif survives:
            # Equation 4: the winner alone.
            one_hot = [float(o == column) for o in range(7)]
            assert row.tolist() == one_hot
            assert list(active) == [o == column for o in range(7)]
        else:
            assert not any(active)
            assert row.tolist() == [0.0] * 7
        if beta is not None:
            assert factor == pytest.approx(1 / (1 + np.exp(-float(beta.detach()))), rel=1e-6)
        elif survives:
            assert factor == 1.0  # Equation 1: the plain sum


@pytest.mark.parametrize("schedule", ["a", "b", "c"])
@pytest.mark.parametrize("space", ["cifar-o2d", "cifar-darts"])
def test_expected_cost_falls_from_everything_to_one_candidate_an_edge(
    tools: Any, schedule: str, space: str
) -> None:
    strategy = new(tools, schedule, 1000, space)
    costs = [strategy.expected_cost(i / 500) for i in range(501)]
    assert costs[0] == 1
    # 8 edges of 14 stay, with one of 7 (8) operations each.
    assert costs[-1] == pytest.approx(8 / (14 * len(strategy.plan.space.cell.operations)))
    assert all(later <= earlier for earlier, later in pairwise(costs))


def test_the_papers_start(tools: Any) -> None:
    strategy = new(tools)
    # Algorithm 1, line 2: alpha = 0 and beta = 0: all operations 1/7, every edge 0.5.
    for mixture in strategy.mixture().values():
        assert torch.allclose(mixture.weights, torch.full((14, 7), 1 / 7))
        assert mixture.edges is not None
        assert torch.equal(mixture.edges, torch.full((14,), 0.5))
    assert len(strategy.parameters()) == 2 * (14 + 14)
    assert strategy.architecture_first is False  # Algorithm 1: the weights' step comes first
    optimiser = strategy.optimiser()
    assert isinstance(optimiser, torch.optim.Adam)
    # SDAS, section 4: Adam, fixed 3e-4; betas and decay of DARTS.
    (group,) = optimiser.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (3e-4, (0.5, 0.999), 1e-3)


def test_drop_keeps_what_is_missed_most(tools: Any) -> None:
    """By a loss that is known: minus the worth of what is mixed, so that the worth left out is missed."""
    generator = np.random.default_rng(3)
    operations = len(tools.space("cifar-o2d").cell.operations)
    worth = generator.random((2, 14, operations))
    alpha, beta = generator.normal(size=(2, 14, operations)), generator.normal(size=(2, 14))
    strategy = new(tools, T=M, select="drop")
    set_all(strategy, alpha, beta)
    kinds = strategy.plan.space.kinds

    def loss_of(mixture: Any) -> float:
        total = 0.0
        for k, kind in enumerate(kinds):
            mixed = torch.tensor(worth[k]) * mixture[kind].weights
            edges = mixture[kind].edges
            total += float((mixed if edges is None else mixed * edges[:, None]).sum())
        return -total

    softmax = np.exp(alpha) / np.exp(alpha).sum(-1, keepdims=True)
    other = 0
    for t in range(1, M + 1):
        (decision,) = strategy.after_iteration(t, loss_of)
        kind, what, number, choice = as_by_hand(strategy, decision)
        if what == "edge":
            assert choice == int(np.argmax(softmax[kind, number] * worth[kind, number]))
            other += choice != int(np.argmax(softmax[kind, number]))
        else:
            into = [e for e, (_, s) in enumerate(EDGES) if s == number]
            resolved = strategy.decisions.operation[kinds[kind]]
            missed = {e: worth[kind, e, resolved[e]] / (1 + np.exp(-beta[kind, e])) for e in into}
            assert choice == set(sorted(into, key=lambda e: -missed[e])[:2])
    assert other > 3, "the largest weights would decide otherwise"
    assert strategy.remaining() == 1


def test_drop_without_samples_decides_by_weight(tools: Any) -> None:
    drop, weight = new(tools, T=M, select="drop"), new(tools, T=M)
    for strategy in (drop, weight):
        tools.wander(strategy, 1)
    assert drop.after_iteration(M) == weight.after_iteration(M)


class TestStability:
    def test_by_hand(self) -> None:
        stability = Stability(100)  # recorded every second iteration
        first, second = ("normal", 0), ("normal", 1)
        weights = {first: [0.5, 0.5], second: [0.9, 0.1]}
        assert stability.of(weights) == {first: 1.0, second: 1.0}
        stability.record(1, {first: [0.0, 1.0], second: [0.0, 1.0]})  # not yet
        stability.record(2, {first: [0.3, 0.7], second: [0.1, 0.9]})
        stability.record(4, {first: [0.5, 0.5], second: [0.8, 0.2]})
        # Overlaps: 0.3 + 0.5 and 1 of the first, 0.1 + 0.1 and 0.8 + 0.1 of the second.
        third = ("normal", 2)
        weights[third] = [0.5, 0.5]
        for record, row in zip(stability.records, ([0.25, 0.75], [0.25, 0.75]), strict=True):
            record[third] = row  # 0.25 + 0.5 twice
        found = stability.of(weights)
        assert found == pytest.approx({first: 1.0, second: 0.0, third: (1.5 - 1.1) / (1.8 - 1.1)})

    def test_only_the_last_four_count(self) -> None:
        stability = Stability(50)
        for iteration in range(1, 8):
            stability.record(iteration, {("normal", 0): [iteration / 10, 1 - iteration / 10]})
        assert [record["normal", 0][0] for record in stability.records] == [0.4, 0.5, 0.6, 0.7]

    def test_records_of_other_edges_are_refused(self, tools: Any) -> None:
        strategy = new(tools, T=M, stability=True)
        strategy.after_iteration(1)
        state = strategy.state_dict()
        new(tools, T=M, stability=True).load_state_dict(state)
        for damaged in ([{}], [{("normal", 0): [1.0]}], [{edge: [0.5] for edge in state["stability"][0]}]):
            with pytest.raises(ValueError, match="other edges"):
                new(tools, T=M, stability=True).load_state_dict({**state, "stability": damaged})

    def test_an_unstable_edge_waits(self, tools: Any) -> None:
        def decided(**settings: Any) -> int:
            strategy = new(tools, T=M, **settings)
            alpha = np.zeros((2, 14, 7))
            alpha[0, 3, 1], alpha[0, 5, 2] = 3, 2  # edge 3 has the larger lead
            before = alpha.copy()
            before[0, 3] = [3, 0, 0, 0, 0, 0, 0]  # but another operation led before
            strategy.stability.record(0, softmaxed(strategy, before))
            set_all(strategy, alpha, np.zeros((2, 14)))
            (decision,) = strategy.after_iteration(1)
            return int(as_by_hand(strategy, decision)[2])

        assert decided() == 3
        assert decided(stability=True) == 5


def softmaxed(strategy: Any, alpha: np.ndarray) -> dict[tuple[str, int], list[float]]:
    weights = np.exp(alpha) / np.exp(alpha).sum(-1, keepdims=True)
    kinds = strategy.plan.space.kinds
    return {(kind, e): list(weights[k, e]) for k, kind in enumerate(kinds) for e in range(14)}
