"""Beta-decay, smoothing and the auxiliary skip, by hand; and what they leave alone."""

from __future__ import annotations

from math import exp, log
from typing import Any

import pytest
import torch

from autodas.strategies import DASSettings, PCDARTSSettings, PDARTSSettings, SDASSettings
from autodas.strategies.base import Strategy
from autodas.strategies.das import DAS
from autodas.strategies.pcdarts import PCDARTS
from autodas.strategies.pdarts import PDARTS
from autodas.strategies.sdas import SDAS

METHODS = {
    "das": (DAS, DASSettings),
    "sdas": (SDAS, SDASSettings),
    "pcdarts": (PCDARTS, PCDARTSSettings),
    "pdarts": (PDARTS, PDARTSSettings),
}
SKIP = 2
"""Column of the skip in OPERATIONS."""

OPERATIONS = ("none", "avg_pool_3x3", "skip_connect", "sep_conv_3x3")
T = 10


def new(tools: Any, name: str, **settings: Any) -> Strategy:
    method, settings_class = METHODS[name]
    iterations = 3 * T if name == "pdarts" else T  # three stages
    strategy = method(
        settings_class(initial_std=0.0, **settings),
        tools.plan(tools.two_nodes(OPERATIONS), iterations),
    )
    strategy.begin(0, "cpu")
    return strategy


def alpha(strategy: Any) -> dict[int, torch.nn.Parameter]:
    """Of the first kind."""
    return strategy.alpha[strategy.plan.space.kinds[0]]


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_nothing_by_default(self, tools: Any, name: str) -> None:
        strategy = new(tools, name)
        tools.wander(strategy, 1)
        assert strategy.penalty() is None
        for kind, cell in strategy.weight_mixture().items():
            assert torch.equal(cell.weights, strategy.mixture()[kind].weights)
            torch.testing.assert_close(cell.weights.sum(-1), torch.ones(5), rtol=0, atol=1e-6)

    def test_beta_decay_by_hand(self, tools: Any, name: str) -> None:
        # beta-DARTS, equation 6: the mean over edges of the logarithm of the sum of exponentials. One edge
        # has alpha (ln 3, 0, 0, 0), sum 6; the other four of the first kind, and all of the second, sum 4.
        strategy = new(tools, name, beta_decay=50)
        assert strategy.penalty() == 0  # it starts from 0
        alpha(strategy)[0].data[0] = log(3)
        strategy.regularisation.advance(4)
        penalty = strategy.penalty()
        rate = 50 * 4 / T
        assert float(penalty.detach()) == pytest.approx(
            rate * (log(6) / 5 + 4 * log(4) / 5 + log(4)), rel=1e-6
        )
        (gradient,) = torch.autograd.grad(penalty, alpha(strategy)[0])
        expected = torch.tensor([3.0, 1, 1, 1]) / 6 * rate / 5  # the softmax, over five edges
        torch.testing.assert_close(gradient, expected)

    def test_smoothing_moves_weights_within_its_radius(self, tools: Any, name: str) -> None:
        strategy = new(tools, name, smoothing=0.2)
        for iteration, radius in ((0, 0.02), (T - 1, 0.02 + 0.18 * (T - 1) / T)):
            strategy.regularisation.advance(iteration)
            seen = []
            for kind, cell in strategy.weight_mixture().items():
                plain = strategy.mixture()[kind].weights
                noise = strategy.regularisation.noise[kind]
                seen.append(noise.abs().max())
                # Four equal weights of 1/4: none is clipped while the radius is below that.
                expected = (0.25 + noise) / (1 + noise.sum(-1, keepdim=True))
                torch.testing.assert_close(cell.weights, expected)
                assert torch.equal(plain, torch.full((5, 4), 0.25)), "the architecture step sees no noise"
            assert 0.8 * radius < max(seen) <= radius  # of 40 draws: below 0.8 once in 7,500 tries
        before = {kind: noise.clone() for kind, noise in strategy.regularisation.noise.items()}
        strategy.regularisation.advance(T - 1)
        assert all(not torch.equal(before[k], n) for k, n in strategy.regularisation.noise.items())

    def test_auxiliary_skip_fades(self, tools: Any, name: str) -> None:
        strategy = new(tools, name, auxiliary_skip=0.8)
        for iteration, expected in ((0, 0.25 + 0.8), (5, 0.25 + 0.4), (T, 0.25)):
            strategy.regularisation.advance(iteration)
            for cell in strategy.mixture().values():
                torch.testing.assert_close(cell.weights[:, SKIP], torch.full((5,), expected))
                others = cell.weights[:, [o for o in range(4) if o != SKIP]]
                assert torch.equal(others, torch.full((5, 3), 0.25))
        strategy.regularisation.advance(0)
        (weights,) = {tuple(map(tuple, shown["alpha"])) for shown in strategy.snapshot().values()}
        assert weights == ((0.25,) * 4,) * 5, "alpha is shown without it"


def test_decided_edges_have_neither_noise_nor_auxiliary_skip(tools: Any) -> None:
    strategy = new(tools, "sdas", smoothing=0.3, auxiliary_skip=1.0)
    tools.wander(strategy, 2)
    for iteration in range(1, T // 2 + 1):
        strategy.after_iteration(iteration)
    decided = 0
    for kind, edges in strategy.decisions.operation.items():
        for mixture in (strategy.mixture(), strategy.weight_mixture()):
            for edge, column in edges.items():
                decided += 1
                if strategy.decisions.alive()[kind][edge][column]:  # not removed with its node
                    assert mixture[kind].weights[edge].tolist() == [float(o == column) for o in range(4)]
    assert decided > 4


def test_skip_is_only_added_where_it_is_a_candidate(tools: Any) -> None:
    # P-DARTS may drop it from an edge.
    strategy = new(tools, "pdarts", auxiliary_skip=1.0, operations=(3, 3))
    for table in strategy.alpha.values():
        for edge, row in table.items():
            row.data[SKIP if edge == 0 else 0] = -5  # the weakest of four
    strategy.finish()
    strategy.begin(1, "cpu")
    for cell in strategy.mixture().values():
        assert cell.weights[0, SKIP] == 0
        torch.testing.assert_close(cell.weights[1:, SKIP], torch.full((4,), 1 + 1 / 3))


def test_what_is_clipped_leaves_the_sum(tools: Any) -> None:
    strategy = new(tools, "das", smoothing=0.9)
    strategy.regularisation.advance(T - 1)
    alpha(strategy)[0].data[:] = torch.tensor([0.0, 0, 0, 3])
    kind = strategy.plan.space.kinds[0]
    noise = strategy.regularisation.noise[kind][0]
    weights = [exp(a) / (3 + exp(3)) for a in (0, 0, 0, 3)]
    noisy = [max(0.0, w + float(n)) for w, n in zip(weights, noise, strict=True)]
    assert 0.0 in noisy
    found = strategy.weight_mixture()[kind].weights[0].tolist()
    assert found == pytest.approx([w / sum(noisy) for w in noisy], rel=1e-5)
