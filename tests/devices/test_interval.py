"""Interval of a median, against the binomial distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from autodas.devices._interval import is_narrow, median_interval


@pytest.mark.parametrize(
    ("count", "k"),
    # Printed in tables of sign-test intervals: Hollander, Wolfe and Chicken, table A.2 (95 %).
    [(6, 1), (8, 1), (9, 2), (10, 2), (12, 3), (15, 4), (20, 6), (25, 8)],
)
def test_ranks_are_those_of_printed_tables(count: int, k: int) -> None:
    assert median_interval(range(1, count + 1)) == (k, count + 1 - k)


@pytest.mark.parametrize("count", [6, 7, 17, 40, 101])
def test_the_interval_is_the_shortest_with_its_confidence(count: int) -> None:
    low, high = median_interval(range(1, count + 1))
    assert high == count + 1 - low

    def confidence(k: int) -> float:
        return float(1 - 2 * stats.binom.cdf(k - 1, count, 0.5))

    assert confidence(int(low)) >= 0.95 > confidence(int(low) + 1)


def test_it_contains_the_median_of_a_skewed_distribution() -> None:
    generator = np.random.default_rng(0)
    draws = generator.lognormal(0, 1, (2000, 15))  # median 1
    inside = np.mean([low <= 1 <= high for low, high in map(median_interval, draws)])
    assert inside == pytest.approx(0.965, abs=0.02)  # printed: 0.9648


@pytest.mark.parametrize("values", [[3.0], [2.0, 1.0], [5.0, 1.0, 2.0, 4.0, 3.0]])
def test_few_values_have_their_range(values: list[float]) -> None:
    assert median_interval(values) == (min(values), max(values))
    assert not is_narrow([1.0] * len(values))


def test_narrow_is_one_percent_to_both_sides() -> None:
    assert is_narrow([99.2] * 3 + [100.0] + [100.8] * 3)
    assert not is_narrow([98.8] * 3 + [100.0] + [101.2] * 3)
