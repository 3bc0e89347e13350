"""Interval of a median, from order statistics."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median

CONFIDENCE = 0.95
FEWEST = 6
"""Smallest number of values whose range contains the median with that confidence."""
NARROW = 0.01
"""Half-width of an interval, relative to its median, at which a network is measured well enough."""


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    r"""Return an interval that contains the median of the values' distribution, whatever that is.

    It reaches from the k-th smallest to the k-th largest of n values, with the largest k for which

    .. math:: 1 - 2 \sum_{i < k} \binom{n}{i} 2^{-n} \ge 0.95

    since the number of values below the median is binomial (Conover, Practical nonparametric statistics,
    section 3.2). Of fewer than six values it is the range, with less confidence.

    Args:
        values: independent values, at least one.
    """
    ordered, count = sorted(values), len(values)
    k, outside = 0, 0.0
    while (outside := outside + 2 * comb(count, k) / 2**count) <= 1 - CONFIDENCE:
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[count - k]


def is_narrow(values: Sequence[float]) -> bool:
    """Return whether the interval of the median is at most 1 % of it wide on average to both sides."""
    if len(values) < FEWEST:
        return False
    low, high = median_interval(values)
    return (high - low) / 2 <= NARROW * median(values)
