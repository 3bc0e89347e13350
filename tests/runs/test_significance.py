"""Which methods differ: by hand, against other implementations, and on simulated methods that are equal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from autodas.accuracy import standard_error as of_samples
from autodas.runs.significance import Differences, chance_of_draws, pooled_deviation, standard_error


def table(errors: np.ndarray) -> dict[str, dict[int, float]]:
    return {f"m{number}": dict(enumerate(map(float, row))) for number, row in enumerate(errors)}


def test_pooled_deviation_by_hand() -> None:
    # Squared deviations 2, 0 and 0.5 + 0.5, over 1 + 0 + 1 degrees of freedom.
    assert pooled_deviation([[9.0, 11.0], [4.0], [2.5, 3.5]]) == pytest.approx(math.sqrt(2.5 / 2))
    assert pooled_deviation([[9.0], [4.0], []]) is None


def test_standard_error_by_hand() -> None:
    # One seed: a deviation of 2, and nearly that of a share of test samples, sqrt(10 * 90 / 400) points.
    assert standard_error([10.0], 400, 2.0) == pytest.approx(math.sqrt(2.25 + 4), abs=0.002)
    assert standard_error([9.0, 11.0], 400, 2.0) == pytest.approx(math.sqrt(2.25 + 2), abs=0.002)


def test_against_a_two_way_analysis_of_variance() -> None:
    errors = np.random.default_rng(0).normal(10, 1, (4, 3))
    found = Differences(table(errors), 10**9)
    residuals = errors - errors.mean(1, keepdims=True) - errors.mean(0) + errors.mean()
    variance = (residuals**2).sum() / 6
    assert found.degrees == 6
    assert list(found.means.values()) == pytest.approx(errors.mean(1).tolist())
    assert found.standard_error("m0", "m2") == pytest.approx(math.sqrt(variance * 2 / 3))
    # Tables of the studentized range: q(0.95; 4, 6) = 4.90.
    assert found.quantile == pytest.approx(4.896 / math.sqrt(2), abs=0.001)


def test_two_methods_are_a_paired_t_test() -> None:
    errors = np.array([[10.0, 12.0, 9.0, 11.0], [11.2, 13.1, 10.3, 12.0]])
    found = Differences(table(errors), 10**9)
    t = (errors[1] - errors[0]).mean() / found.standard_error("m0", "m1")
    assert t == pytest.approx(stats.ttest_rel(errors[1], errors[0]).statistic)
    assert found.quantile == pytest.approx(stats.t.ppf(0.975, 3), rel=1e-4)
    assert found.worse == ["m1"], "means are 1.15 apart, pairs nearly constant; unpaired t would be 1.2"


def test_a_missing_seed_is_made_up_for() -> None:
    # The second seed is 2 worse for everyone; the method that lacks it is not better for that.
    errors = {"a": {0: 10.0, 1: 12.0}, "b": {0: 11.0, 1: 13.1}, "c": {0: 10.9}}
    found = Differences(errors, 10**9)
    assert found.means["c"] > found.means["a"]
    assert found.means["c"] == pytest.approx(10.9 + 1.025, abs=0.01)
    assert found.degrees == 1


@pytest.mark.parametrize(
    "errors",
    [{"a": {0: 1.0}, "b": {0: 50.0}}, {"a": {0: 1.0}, "b": {1: 50.0}}, {"a": {0: 1.0, 1: 2.0}}],
    ids=["one seed", "no seed in common", "one method"],
)
def test_nothing_can_be_said(errors: dict[str, dict[int, float]]) -> None:
    assert Differences(errors, 10_000).worse == []


def test_methods_without_a_common_seed() -> None:
    found = Differences({"a": {0: 10.0, 1: 10.2}, "b": {2: 15.0, 3: 15.2}}, 10**9)
    assert found.degrees == 2
    assert found.worse == ["b"]


def test_few_samples_tell_nothing_apart() -> None:
    errors = {"a": {0: 0.0, 1: 0.0, 2: 0.0}, "b": {0: 20.0, 1: 20.0, 2: 20.0}}
    found = Differences(errors, 10)
    assert found.standard_error("a", "b") == pytest.approx(math.hypot(of_samples(0, 10), of_samples(20, 10)))
    assert found.worse == []
    assert Differences(errors, 10_000).worse == ["b"]


def test_the_chance_of_draws_by_hand() -> None:
    # A sum of uniform numbers: below s <= 1 with probability s ** n / n!.
    assert chance_of_draws([0.9]) == pytest.approx(0.2)
    assert chance_of_draws([0.25, 0.05]) == pytest.approx(0.09)
    assert chance_of_draws([0.95, 0.9, 1.0, 0.95]) == pytest.approx(2 * 0.2**4 / 24)
    assert chance_of_draws([0.5, 0.4, 0.6]) == 1.0
    assert chance_of_draws([1.0] * 30) == 0.0


@pytest.mark.parametrize("count", [3, 8, 20])
def test_the_chance_of_draws_is_that_of_sums(count: int) -> None:
    drawn = np.random.default_rng(0).random((200_000, count)).sum(1)
    for share in (0.3, 0.45, 0.62):
        beyond = (abs(drawn - count / 2) >= abs(count * share - count / 2)).mean()
        assert chance_of_draws([share] * count) == pytest.approx(beyond, abs=0.004)


@pytest.fixture
def _quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each quantile once: its computation takes longer than a comparison."""
    kept: dict[tuple[int, int], float] = {}
    usual = stats.studentized_range.ppf

    def quantile(level: float, methods: int, degrees: int) -> float:
        if (methods, degrees) not in kept:
            kept[methods, degrees] = usual(level, methods, degrees)
        return kept[methods, degrees]

    monkeypatch.setattr(stats.studentized_range, "ppf", quantile)


@pytest.mark.slow
@pytest.mark.usefixtures("_quantiles")
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("methods", [2, 4, 10])
def test_simulated_methods(methods: int, seeds: int) -> None:
    """Equal methods have a loser in 5 % of comparisons; one that is three standard errors worse is found."""
    random, rounds = np.random.default_rng(methods * 10 + seeds), 1000
    losers = hits = 0
    for _ in range(rounds):
        halves = random.normal(0, 1, (1, seeds))
        errors = 10 + random.normal(0, 1, (methods, seeds)) + halves
        losers += bool(Differences(table(errors), 10_000).worse)
        errors[0] += 3 * math.sqrt(2 / seeds)
        hits += "m0" in Differences(table(errors), 10_000).worse
    # Three standard deviations of a share of 5 % of the rounds.
    assert losers / rounds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / rounds)
    # With three degrees of freedom or fewer, no test at this level finds it in half of the comparisons.
    if (methods - 1) * (seeds - 1) > 3:
        assert hits / rounds >= 0.5
