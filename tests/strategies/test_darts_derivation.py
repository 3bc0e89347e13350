"""The derivation of DARTS (section 2.4; SDAS 3.1) against enumeration of all genotypes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autodas.genotype import Edge
from autodas.spaces import CellSpace
from autodas.strategies import DASSettings
from autodas.strategies._derivation import choose, decide
from autodas.strategies._discretisation import Discretisation
from autodas.strategies.das import DAS

OPERATIONS = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
EDGES = 5  # 0->2 1->2 | 0->3 1->3 2->3


def cell_space(kept: Any, none_is_a_choice: bool = False) -> CellSpace:
    return CellSpace("small", OPERATIONS, nodes=2, kept=kept, none_is_a_choice=none_is_a_choice)


def all_nodes(cell: CellSpace, state: int) -> list[tuple[tuple[int, str], ...]]:
    """Return all choices for a node, predecessors and operations in order."""
    sizes = cell.kept_edges(state)
    found = []
    for predecessors in combinations(range(state), sizes):
        for names in product(cell.choices, repeat=sizes):
            found.append(tuple(zip(predecessors, names, strict=True)))
    return found


def best_by_enumeration(cell: CellSpace, weights: Sequence[Sequence[float]]) -> list[tuple[Edge, ...]]:
    """DARTS keeps the strongest operation of an edge and the k strongest edges of a node.

    That is the choice with the largest sum of weights; of several the first.
    """
    nodes = []
    for state in cell.states:
        edge = {p: i for i, (p, s) in enumerate(cell.edges) if s == state}

        def score(node: tuple[tuple[int, str], ...], edge: dict[int, int] = edge) -> float:
            return sum(weights[edge[p]][OPERATIONS.index(name)] for p, name in node)

        best = max(all_nodes(cell, state), key=score)
        nodes.append(tuple(Edge(name, p) for p, name in best))
    return nodes


def derived(cell: CellSpace, weights: Sequence[Sequence[float]]) -> list[tuple[Edge, ...]]:
    state = Discretisation(cell, ["normal"])
    decisions = decide(state, {"normal": choose(cell, weights)})
    assert state.done == state.total == len(decisions)
    assert [d.step for d in decisions] == list(range(1, len(decisions) + 1))
    assert decisions[-1].remaining == 1
    return list(state.genotype("found").cells["normal"].nodes)


SPACES = [cell_space(2), cell_space(1), cell_space("all"), cell_space("any", True), cell_space(2, True)]


@pytest.mark.parametrize("cell", SPACES, ids=lambda c: f"{c.kept}-{c.none_is_a_choice}")
@settings(max_examples=60, deadline=None)
# Small whole numbers: sums are exact and ties are everywhere.
@given(weights=st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=EDGES, max_size=EDGES))
def test_equals_the_best_of_all_genotypes(cell: CellSpace, weights: list[list[int]]) -> None:
    assert derived(cell, weights) == best_by_enumeration(cell, weights)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.floats(-3, 3, width=32), min_size=2 * EDGES * 4, max_size=2 * EDGES * 4, unique=True)
)
def test_das_derives_from_the_softmax_of_all_operations(tools: Any, numbers: list[float]) -> None:
    space = tools.two_nodes(OPERATIONS)
    strategy = DAS(DASSettings(), tools.plan(space))
    strategy.start(0, "cpu")
    alpha = np.array(numbers, dtype=np.float32).reshape(2, EDGES, 4)
    alpha[:, :, 0] += 4  # "none" is the strongest nearly everywhere
    for number, kind in enumerate(space.kinds):
        for edge in range(EDGES):
            strategy.parameters()[f"alpha.{kind}.{edge}"].data = torch.from_numpy(alpha[number, edge].copy())
    genotype = strategy.finish().genotype
    shifted = np.exp(alpha.astype(np.float64))
    weights = shifted / shifted.sum(-1, keepdims=True)
    for number, kind in enumerate(space.kinds):
        mine, best = genotype.cells[kind].nodes, best_by_enumeration(space.cell, weights[number])
        for node, expected, state in zip(mine, best, space.cell.states, strict=True):
            assert all(edge.operation != "none" for edge in node)
            # What differs by a rounding error of the softmax may be swapped, but equal parameters are a tie.
            score = [score_of(space.cell, weights[number], n, state) for n in (node, expected)]
            assert score[0] == pytest.approx(score[1], abs=1e-6)
            own = [parameters_of(space.cell, alpha[number], n, state) for n in (node, expected)]
            assert node == expected or own[0] != own[1]


def parameters_of(cell: CellSpace, alpha: np.ndarray, node: tuple[Edge, ...], state: int) -> list[float]:
    rows = {p: i for i, (p, s) in enumerate(cell.edges) if s == state}
    return [float(alpha[rows[e.predecessor]][OPERATIONS.index(e.operation)]) for e in node]


def score_of(cell: CellSpace, weights: np.ndarray, node: tuple[Edge, ...], state: int) -> float:
    rows = {p: i for i, (p, s) in enumerate(cell.edges) if s == state}
    return float(sum(weights[rows[e.predecessor]][OPERATIONS.index(e.operation)] for e in node))


def test_none_takes_part_in_the_softmax_that_ranks_edges(tools: Any) -> None:
    # Node 3. Without "none" every edge's best would be near 1 for edge 0 (3 against 0, 0) and lower for
    # the others (1.0 and 0.9 against 0, 0). With "none" at 9, edge 0 comes to e^3 / (e^9 + e^3 + 2) =
    # 0.0025 and loses to the others' e^1 / (e^1 + 3) = 0.475 and e^0.9 / (e^0.9 + 3) = 0.451.
    space = tools.two_nodes(OPERATIONS, K=0)
    strategy = DAS(DASSettings(initial_std=0.0), tools.plan(space))
    strategy.start(0, "cpu")
    for edge, row in {2: [9, 0, 0, 3], 3: [0, 1, 0, 0], 4: [0, 0, 0.9, 0]}.items():
        strategy.parameters()[f"alpha.reduction.{edge}"].data = torch.tensor(row, dtype=torch.float32)
    outcome = strategy.finish()
    genotype, decisions = outcome.genotype, outcome.decisions
    assert genotype.cells["reduction"].nodes[1] == (Edge("max_pool_3x3", 1), Edge("skip_connect", 2))
    node = next(d for d in decisions if d.what == "node")
    assert node.detail == {"state": 3, "kept": [1, 2], "removed": [0]}
    assert node.priority == pytest.approx(0.450523 - 0.002466, abs=1e-4)


def test_ties_go_to_the_first_operation_and_the_first_predecessors() -> None:
    cell = cell_space(2)
    # All equal: the first operation that may win is max_pool, "none" may not.
    nodes = derived(cell, [[1.0] * 4] * EDGES)
    assert nodes == [(Edge("max_pool_3x3", 0), Edge("max_pool_3x3", 1))] * 2
    # Edges 0 and 2 of node 3 tie behind edge 1.
    weights = [[0.0] * 4] * 2 + [[0, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0]]
    assert derived(cell, weights)[1] == (Edge("max_pool_3x3", 0), Edge("max_pool_3x3", 1))
