"""SNAS: samples, temperature and resource term, against their analytic forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autodas.errors import AutodasError
from autodas.operations import SEARCH_NORMS, build
from autodas.spaces import Space, get_space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies._resources import operation_cost, slot_costs
from autodas.strategies.base import SearchPlan
from autodas.strategies.snas import SNAS, linear_cost, log_cost

ALPHA = torch.tensor([0.3, -0.8, 1.1])


def new(space: Space, epochs: int = 150, length: int = 2, **settings: Any) -> SNAS:
    plan = SearchPlan(space, epochs * length, 0, lambda alive: 1, length)
    strategy: SNAS = load_strategy("snas")(choose_strategy("snas", **settings).settings, plan)
    strategy.start(0, "cpu")
    return strategy


def three_operations(tools: Any, temperature: float, **settings: Any) -> SNAS:
    """Every edge has the same alpha: 10 samples from each draw."""
    space = tools.two_nodes(("skip_connect", "max_pool_3x3", "sep_conv_3x3"))
    cooling = {"temperature": temperature, "final_temperature": temperature}
    strategy = new(space, epochs=10**6, **cooling, **settings)
    for parameter in strategy.parameters().values():
        parameter.data.copy_(ALPHA)
    return strategy


def draws(strategy: SNAS, number: int) -> torch.Tensor:
    found = []
    for iteration in range(1, number + 1):
        found += [cell.weights.detach() for cell in strategy.mixture().values()]
        strategy.after_iteration(iteration)
    return torch.cat(found).double()


@pytest.mark.slow
def test_the_largest_of_a_sample_is_distributed_as_the_softmax(tools: Any) -> None:
    """Gumbel-max: at any temperature, operation o is the largest with probability softmax(alpha)_o."""
    samples = draws(three_operations(tools, 0.7), 2000)
    expected = ALPHA.double().softmax(0)
    found = nn.functional.one_hot(samples.argmax(1), 3).double().mean(0)
    deviation = (expected * (1 - expected) / len(samples)).sqrt()
    assert bool(((found - expected).abs() < 4 * deviation).all())


def concrete_mean(temperature: float) -> np.ndarray:
    """E[Z] of the Concrete distribution, by numerical integration over all three Gumbel variables.

    Their quantiles at the middles of equal shares of probability stand for each of them.
    """
    shares = (np.arange(200) + 0.5) / 200
    gumbel = -np.log(-np.log(shares))
    a, b, c = np.meshgrid(gumbel, gumbel, gumbel, indexing="ij")
    logits = (np.stack([a, b, c], -1) + ALPHA.numpy()) / temperature
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return (powers / powers.sum(-1, keepdims=True)).reshape(-1, 3).mean(0)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [2.0, 0.5])
def test_the_mean_of_samples(tools: Any, temperature: float) -> None:
    samples = draws(three_operations(tools, temperature), 2000)
    deviation = samples.std(0) / math.sqrt(len(samples))
    difference = samples.mean(0) - torch.from_numpy(concrete_mean(temperature))
    assert bool((difference.abs() < 4 * deviation + 5e-4).all())


def test_the_relaxed_accuracy_is_a_mean_over_samples(tools: Any) -> None:
    """Eight that differ, always the same ones, and none of those that train."""
    strategy = three_operations(tools, 0.7)
    before = strategy.state_dict()
    first, again = strategy.evaluation_mixtures(), strategy.evaluation_mixtures()
    assert len(first) == 8
    for kind in first[0]:
        weights = torch.stack([mixture[kind].weights for mixture in first])
        assert len(weights.flatten(1).unique(dim=0)) == 8
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert torch.equal(weights, torch.stack([mixture[kind].weights for mixture in again]))
    assert torch.equal(before["generator"], strategy.state_dict()["generator"])


def test_cold_samples_choose_one_operation(tools: Any) -> None:
    samples = draws(three_operations(tools, 0.03), 200)
    assert samples.max(1).values.mean() > 0.97
    assert torch.allclose(samples.mean(0), ALPHA.double().softmax(0), atol=0.03)


def test_the_gradient_of_a_sample(tools: Any) -> None:
    """d Z_o / d alpha_k = Z_k (delta_ok - Z_o) / temperature (SNAS, section 2.3, in logarithms)."""
    strategy = three_operations(tools, 0.7)
    upstream = torch.randn(5, 3)
    for kind, cell in strategy.mixture().items():
        parameters = [strategy.alpha[kind][edge] for edge in range(5)]
        found = torch.autograd.grad((cell.weights * upstream).sum(), parameters)
        for z, u, gradient in zip(cell.weights.detach(), upstream, found, strict=True):
            jacobian = (torch.diag(z) - z[:, None] * z[None]) / 0.7
            assert torch.allclose(gradient, jacobian @ u, atol=1e-6)


def test_temperature_at_every_epoch() -> None:
    space = get_space("cifar-snas").with_size(1, 8, 16)
    linear = new(space)
    cooling = {"temperature": 2.5, "final_temperature": 2.5 * 0.97**150, "annealing": "exponential"}
    exponential = new(space, **cooling)
    for iteration in range(300):
        epoch = iteration // 2
        assert float(linear.heat) == pytest.approx(0.03 + 0.97 * (1 - epoch / 150))
        assert float(exponential.heat) == pytest.approx(2.5 * 0.97**epoch)
        for strategy in (linear, exponential):
            strategy.after_iteration(iteration + 1)


def test_one_sample_an_iteration_and_the_same_tensors(tools: Any) -> None:
    strategy = three_operations(tools, 1.0)
    places = {kind: noise.data_ptr() for kind, noise in strategy.gumbel.items()}
    first = strategy.mixture()["normal"].weights
    assert torch.equal(first, strategy.mixture()["normal"].weights)
    assert torch.equal(first, strategy.weight_mixture()["normal"].weights)
    strategy.after_iteration(1)
    assert not torch.equal(first, strategy.mixture()["normal"].weights)
    assert places == {kind: noise.data_ptr() for kind, noise in strategy.gumbel.items()}
    assert strategy.constants() == ()
    assert not torch.equal(strategy.gumbel["normal"], strategy.gumbel["reduction"])


def test_an_iteration_reads_nothing_on_the_host(tools: Any, tape: Any) -> None:
    strategy = three_operations(tools, 1.0, resource="mild")
    with tape(strict=True):
        strategy.mixture()
        penalty = strategy.penalty()
        assert penalty is not None
        penalty.backward()


def test_levels() -> None:
    space = get_space("cifar-snas").with_size(1, 8, 16)
    assert new(space).single_level
    assert not new(space, bilevel=True).single_level
    noise = new(space, drop_path=0.2).mixture()["normal"].noise
    assert (noise.drop_path, noise.skip_dropout) == (0.2, 0.0)


def test_every_edge_keeps_its_most_probable_operation_none_included() -> None:
    space = get_space("cifar-snas").with_size(1, 8, 16)
    strategy = new(space)
    draw = np.random.default_rng(0)
    expected = {}
    for kind in space.kinds:
        for edge, (predecessor, state) in enumerate(space.cell.edges):
            alpha = draw.normal(size=8) + np.eye(8)[0]  # "none" wins many
            strategy.alpha[kind][edge].data.copy_(torch.from_numpy(alpha))
            expected[kind, state, predecessor] = space.cell.operations[alpha.argmax()]
    outcome = strategy.finish()
    assert outcome.genotype is not None
    found = {
        (kind, state, e.predecessor): e.operation
        for kind, cell in outcome.genotype.cells.items()
        for state, e in cell.edges()
    }
    assert found == expected
    assert list(found.values()).count("none") > 3


# Costs of operations, by hand: C channels, maps of n pixels, m after the stride.


def by_hand(name: str, C: int, n: int, m: int) -> tuple[int, int, int]:
    if name == "none" or (name == "skip_connect" and n == m):
        return 0, 0, 0
    if name.endswith("pool_3x3"):
        return 0, 9 * m * C, (n + m) * C
    if name == "skip_connect":  # two pointwise convolutions to C / 2; even maps are read shifted by one
        side = math.isqrt(n)
        read = n * C + (side - 1) ** 2 * C
        return C * C, C * C * m, read + m * C + C * C
    k2 = int(name[-1]) ** 2

    def unit(inputs: int) -> tuple[int, int, int]:
        weights = k2 * C + C * C
        return weights, weights * m, inputs * C + m * C + 2 * m * C + weights

    if name.startswith("dil"):
        return unit(n)
    first, second = unit(n), unit(m)
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", get_space("cifar-darts").cell.operations)
def test_costs_of_operations(name: str, stride: int) -> None:
    found = operation_cost(name, 16, (stride, stride), (8, 8))
    assert tuple(found) == by_hand(name, 16, 64, 64 // stride**2)
    module = build(name, 16, (stride, stride), SEARCH_NORMS)
    assert found.parameters == sum(p.numel() for p in module.parameters())


def test_costs_of_cells() -> None:
    """8 cells on pictures of 32 x 32: widths and maps of every cell and edge."""
    space = get_space("cifar-darts")
    costs = slot_costs(space.cell, space.skeleton)
    assert len(costs) == 8
    operations = space.cell.operations
    for (slot, rows), side in zip(costs, [32, 32, 32, 16, 16, 16, 8, 8], strict=True):
        C = {32: 16, 16: 32, 8: 64}[side] * (2 if slot.reduces else 1)
        for row, (predecessor, _) in zip(rows, space.cell.edges, strict=True):
            inside = (side // 2) ** 2 if slot.reduces else side**2
            read = side**2 if predecessor < 2 else inside
            assert [tuple(c) for c in row] == [by_hand(o, C, read, inside) for o in operations]


@pytest.mark.slow
def test_maps_of_the_imagenet_skeleton() -> None:
    space = get_space("imagenet-darts")
    slot, rows = slot_costs(space.cell, space.skeleton)[0]
    assert tuple(rows[0][4]) == by_hand("sep_conv_3x3", slot.width, 28**2, 28**2)


def test_maps_behind_blocks_that_are_not_searched() -> None:
    space = get_space("nasbench201").with_size(K=2)
    costs = slot_costs(space.cell, space.skeleton)
    assert [slot.width for slot, _ in costs] == [16, 16, 32, 32, 64, 64]
    for (slot, rows), side in zip(costs, [32, 32, 16, 16, 8, 8], strict=True):
        # "nor_conv_3x3": ReLU, a dense convolution, normalisation.
        weights, entries = 9 * slot.width**2, side**2 * slot.width
        assert {tuple(row[3]) for row in rows} == {(weights, weights * side**2, 2 * entries + weights)}


@pytest.mark.parametrize("form", ["log", "linear"])
def test_the_resource_term(form: str) -> None:
    space = get_space("cifar-darts")  # 6 normal cells and 2 reductions
    strategy = new(space, resource=0.01, resource_form=form)
    penalty = strategy.penalty()
    assert penalty is not None
    expected = 0.0
    mixture = strategy.mixture()
    for slot, rows in slot_costs(space.cell, space.skeleton):
        share = 1 / {"normal": 6, "reduction": 2}[slot.kind]
        for z, row in zip(mixture[slot.kind].weights.tolist(), rows, strict=True):
            for weight, (size, multiply_adds, access) in zip(z, row, strict=True):
                if form == "log":
                    cost = sum(math.log(max(1, c)) for c in (size, multiply_adds, access)) / 3
                else:
                    cost = 0.43 * (2 * size + multiply_adds / 4000 + access / 100)
                expected += share * weight * cost
    assert penalty.item() == pytest.approx(0.01 * expected, rel=1e-5)


def test_the_resource_term_makes_architectures_cheaper() -> None:
    """Descent on the term alone: at the end every edge has its cheapest operation."""
    space = get_space("cifar-snas").with_size(0, 8, 16)
    strategy = new(space, resource=1.0, learning_rate=0.05)
    optimiser = strategy.optimiser()
    assert optimiser is not None
    for iteration in range(150):
        optimiser.zero_grad()
        penalty = strategy.penalty()
        assert penalty is not None
        penalty.backward()
        optimiser.step()
        strategy.after_iteration(iteration + 1)
    for rows in strategy.probabilities().values():
        for row, (predecessor, _) in zip(rows, space.cell.edges, strict=True):
            free = {0} if predecessor < 2 else {0, 3}  # "none", and skips that do not reduce
            assert np.argmax(row) in free


def test_strengths_by_name(tools: Any) -> None:
    space = get_space("cifar-darts").with_size(1, 8, 16)
    strengths = [new(space, resource=name).strength for name in ("none", "mild", "moderate", "aggressive")]
    assert strengths == sorted(set(strengths))
    assert strengths[0] == 0
    assert strengths[2] == 1.5e-3  # the public code's
    assert new(space, resource="none").penalty() is None
    for form, cost in (("log", log_cost), ("linear", linear_cost)):
        # One strength in both forms is worth about the same to a separable convolution.
        worth = new(space, resource_form=form).strength * cost(
            operation_cost("sep_conv_3x3", 16, (1, 1), (32, 32))
        )
        assert worth == pytest.approx(0.016, rel=0.1)
    with pytest.raises(AutodasError, match=r"'cifar-o2d' does not have.*cifar-snas"):
        new(tools.space("cifar-o2d"), resource="aggressive")
    with pytest.raises(AutodasError, match="resource must be none, mild"):
        choose_strategy("snas", resource="strong")
