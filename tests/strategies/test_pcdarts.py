"""PC-DARTS: edges that are normalised node by node, the derivation by both weights, what it saves."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from autodas.loop import InputShape
from autodas.loop.tasks import Classification
from autodas.search import SearchSize
from autodas.settings import SupernetSettings
from autodas.spaces import get_space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.pcdarts import PCDARTS

OPERATIONS = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
INCOMING = ((0, 1), (2, 3, 4))


def new(tools: Any, iterations: int = 50, **settings: Any) -> PCDARTS:
    space = tools.two_nodes(OPERATIONS)
    choice = choose_strategy("pcdarts", **settings)
    strategy: PCDARTS = load_strategy("pcdarts")(choice.settings, tools.plan(space, iterations))
    strategy.start(0, "cpu")
    return strategy


def softmax(numbers: np.ndarray) -> np.ndarray:
    powers = np.exp(numbers)
    return powers / powers.sum(-1, keepdims=True)


def set_all(strategy: PCDARTS, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    alpha, beta = draw.normal(size=(2, 5, 4)), draw.normal(size=(2, 5))
    for number, kind in enumerate(strategy.plan.space.kinds):
        for edge in range(5):
            strategy.parameters()[f"alpha.{kind}.{edge}"].data = torch.tensor(alpha[number, edge]).float()
            strategy.parameters()[f"beta.{kind}.{edge}"].data = torch.tensor(beta[number, edge]).float()
    return alpha, beta


def test_edges_are_normalised_node_by_node(tools: Any) -> None:
    strategy = new(tools)
    alpha, beta = set_all(strategy, 0)
    for number, cell in enumerate(strategy.mixture().values()):
        assert cell.edges is not None
        assert np.allclose(cell.weights.detach(), softmax(alpha[number]), atol=1e-6)
        for edges in INCOMING:
            expected = softmax(beta[number, list(edges)])
            assert np.allclose(cell.edges.detach()[list(edges)], expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_derivation_by_enumeration(tools: Any, seed: int) -> None:
    strategy = new(tools)
    alpha, beta = set_all(strategy, seed)
    outcome = strategy.finish()
    assert outcome.genotype is not None
    for number, kind in enumerate(strategy.plan.space.kinds):
        for node, edges in zip(outcome.genotype.cells[kind].nodes, INCOMING, strict=True):
            factors = dict(zip(edges, softmax(beta[number, list(edges)]), strict=True))
            # "none" is in the softmax, and does not win.
            score = {e: factors[e] * softmax(alpha[number, e])[1:].max() for e in edges}
            best = max(combinations(edges, 2), key=lambda pair: sum(score[e] for e in pair))
            expected = [(OPERATIONS[1 + softmax(alpha[number, e])[1:].argmax()], e - edges[0]) for e in best]
            assert [tuple(edge) for edge in node] == expected


def test_beta_decides_which_edges_stay(tools: Any) -> None:
    strategy = new(tools, initial_std=0.0)
    for edge, value in {2: 0.0, 3: 2.0, 4: 1.0}.items():
        strategy.parameters()[f"beta.normal.{edge}"].data.fill_(value)
    outcome = strategy.finish()
    assert outcome.genotype is not None
    assert [e.predecessor for e in outcome.genotype.cells["normal"].nodes[1]] == [1, 2]
    assert [e.predecessor for e in outcome.genotype.cells["reduction"].nodes[1]] == [0, 1]


def test_the_first_15_of_50_epochs_train_the_weights_only(tools: Any) -> None:
    assert new(tools, iterations=50).phases()[0].weights_only == 15
    assert new(tools, iterations=2, weights_only=0.9).phases()[0].weights_only == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_memory_of_an_iteration(engine: str) -> None:
    """The part of the channels that is searched is most of the memory, in the paper's width."""
    space, needed = get_space("cifar-darts").with_size(K=1), {}
    for name in ("das", "pcdarts"):
        choice, K = choose_strategy(name), load_strategy(name).partial_channels
        size = SearchSize(
            space, choice, Classification(10), InputShape(3, 32), 16, SupernetSettings(engine, K)
        )
        needed[name] = size.estimate().tensors
    assert needed["pcdarts"] < 0.45 * needed["das"]
