"""Confidence intervals of accuracies. No torch."""

from __future__ import annotations

import math

CLASSES_OF_TOP5 = 6
"""Smallest number of classes for which a top-5 accuracy is reported; for fewer it is meaningless."""

CERTAIN = 1.959964
"""Standard deviations on each side of the mean that contain 95 % of a normal distribution."""


def wilson_interval(accuracy: float, count: int, z: float = CERTAIN) -> tuple[float, float]:
    r"""Compute the Wilson score interval of an accuracy, in percent.

    .. math:: \frac{p + z^2 / 2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    Unlike an interval from p and its standard error, it is meaningful for 10 correct answers out of 10: 72 to
    100.

    Args:
        accuracy: p, in percent.
        count: number of samples n; without samples the interval is 0 to 100.
        z: half width in standard deviations; by default that of a 95 % interval.
    """
    if count < 1:
        return 0.0, 100.0
    share, weight = accuracy / 100, z * z / count
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(max(0.0, share * (1 - share)) / count + weight / (4 * count)) / (1 + weight)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def standard_error(accuracy: float, count: int) -> float:
    """Compute the standard error of an accuracy in percentage points, as half the Wilson interval for z = 1.

    For many samples it is that of a proportion; it does not vanish if all answers are correct, or all wrong.
    """
    share, count = accuracy / 100, max(1, count)
    return 100 * math.sqrt(max(0.0, share * (1 - share)) / count + 1 / (4 * count * count)) / (1 + 1 / count)


def in_words(accuracy: float, count: int, what: str) -> str:
    """Return an accuracy with its interval: ``90.0 % (10 images, 95 % interval 59.6 to 98.2)``."""
    low, high = wilson_interval(accuracy, count)
    return f"{accuracy:.1f} % ({count:,} {what}, 95 % interval {low:.1f} to {high:.1f})"
