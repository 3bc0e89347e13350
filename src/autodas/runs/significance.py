"""Significance of differences between methods, from the errors of several seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from statistics import fmean

import numpy as np

from autodas import accuracy

LEVEL = 0.05
"""Probability that a verdict names any loser among equally good methods."""


def pooled_deviation(groups: Sequence[Sequence[float]]) -> float | None:
    r"""Compute the common standard deviation of groups with different means.

    .. math:: \sqrt{\frac{\sum_i (n_i - 1) s_i^2}{\sum_i (n_i - 1)}}

    Returns:
        The deviation; ``None`` if no group has two numbers.
    """
    degrees = sum(len(group) - 1 for group in groups if group)
    if degrees < 1:
        return None
    squares = sum((value - fmean(group)) ** 2 for group in groups for value in group)
    return math.sqrt(squares / degrees)


def standard_error(percents: Sequence[float], count: int | None, deviation: float) -> float:
    r"""Compute the standard error of a mean accuracy, or error, over seeds, in percentage points.

    .. math:: \sqrt{e^2 + \frac{s^2}{n}}

    with the standard error e of the mean over N test samples, which are the same for all seeds so that e does
    not average out, and the standard deviation s over n seeds.

    Args:
        percents: accuracy or error for each seed, in percent.
        count: number of test samples N; ``None`` if they are no shares of samples, whose e is unknown.
        deviation: s, as :func:`pooled_deviation`: two or three seeds of one method do not determine it.
    """
    of_samples = 0.0 if count is None else accuracy.standard_error(fmean(percents), count)
    return math.hypot(of_samples, deviation / math.sqrt(len(percents)))


@dataclass(frozen=True)
class Differences:
    r"""Differences of methods' mean errors, with the seeds paired.

    The error of method m with seed r is modelled as :math:`\mu_m + \beta_r + \varepsilon_{mr}`: all methods
    have the same halves of the samples for a seed. Means and the variance of :math:`\varepsilon` are those of
    least squares, so that a method may lack seeds. If the methods have no seed in common, the terms
    :math:`\beta` are left out.

    Two methods differ significantly if their means differ by more than :math:`q / \sqrt 2` standard errors,
    with the quantile q of the studentized range for the number of methods and the degrees of freedom (Tukey,
    1949; Kramer, 1956, for unequal numbers of seeds). So among equally good methods any difference at all is
    called significant with probability ``LEVEL``.

    Args:
        errors: for each method, its error with each seed, in percent.
        count: number of test samples; ``None`` if errors are not those of a sample.
    """

    errors: Mapping[str, Mapping[int, float]]
    count: int | None

    @cached_property
    def _fit(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Means, their covariance for errors of variance 1, residuals, degrees of freedom."""
        methods = len(self.errors)
        seeds = sorted({seed for own in self.errors.values() for seed in own})
        cells = [
            (m, seeds.index(s), value)
            for m, name in enumerate(self.errors)
            for s, value in self.errors[name].items()
        ]
        design = np.zeros((len(cells), methods + len(seeds)))
        for row, (m, s, _) in enumerate(cells):
            design[row, [m, methods + s]] = 1
        # Coded around their mean, seeds leave the means of the methods where they are.
        design = np.hstack([design[:, :methods], design[:, methods:-1] - design[:, -1:]])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            design = design[:, :methods]
        values = np.array([value for *_, value in cells])
        solution, *_ = np.linalg.lstsq(design, values, rcond=None)
        covariance = np.linalg.inv(design.T @ design)[:methods, :methods]
        return solution[:methods], covariance, values - design @ solution, len(cells) - design.shape[1]

    @property
    def means(self) -> dict[str, float]:
        """Mean error of each method in percent, as it would be with the seeds of all methods."""
        return dict(zip(self.errors, map(float, self._fit[0]), strict=True))

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the variance; with 0 nothing can be said about any difference."""
        return self._fit[3]

    @cached_property
    def quantile(self) -> float:
        """Number of standard errors from which on a difference is significant."""
        if self.degrees < 1 or len(self.errors) < 2:
            return math.inf
        from scipy.stats import studentized_range

        return float(studentized_range.ppf(1 - LEVEL, len(self.errors), self.degrees)) / math.sqrt(2)

    def standard_error(self, one: str, other: str) -> float:
        """Return the standard error of the difference of two methods' mean errors, in percentage points.

        It follows from the variance over seeds, which contains most of the noise of the test samples:
        different networks err on different samples. It is at least that of two accuracies on other samples
        for each method, so that two seeds that happen to agree on few samples make nothing significant.
        """
        means, covariance, residuals, degrees = self._fit
        if degrees < 1:
            return math.inf
        a, b = (list(self.errors).index(name) for name in (one, other))
        factor = float(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
        samples = 0.0
        if self.count is not None:
            samples = math.hypot(*(accuracy.standard_error(float(means[m]), self.count) for m in (a, b)))
        return max(math.sqrt(float(residuals @ residuals) / degrees * factor), samples)

    def significant(self, one: str, other: str) -> bool:
        """Return whether the mean errors of two methods differ significantly."""
        gap = abs(self.means[one] - self.means[other])
        return self.degrees > 0 and gap > self.quantile * self.standard_error(one, other)

    @property
    def best(self) -> str:
        """The method with the lowest mean error."""
        return min(self.means, key=self.means.__getitem__)

    @property
    def worse(self) -> list[str]:
        """The methods that are significantly worse than the best, in the order of their errors."""
        by_error = sorted(self.means, key=self.means.__getitem__)
        return [name for name in by_error[1:] if self.significant(by_error[0], name)]


def chance_of_draws(shares: Sequence[float]) -> float:
    r"""Compute the probability that architectures drawn at random are as good, or as bad, as those found.

    The share of all architectures that are worse than one drawn at random is uniform on [0, 1], whatever the
    distribution of accuracies. The sum s of n of them has the distribution of Irwin and Hall,

    .. math:: P(S \le s) = \frac{1}{n!} \sum_{k \le s} (-1)^k \binom{n}{k} (s - k)^n.

    Args:
        shares: for the result of each search the share of architectures that are worse, of equally good ones
            half.

    Returns:
        The probability of a sum that is at least as far from n / 2, on either side.
    """
    n, total = len(shares), sum(map(Fraction, shares))
    least = min(total, n - total)
    below = sum((-1) ** k * math.comb(n, k) * (least - k) ** n for k in range(math.floor(least) + 1))
    return min(1.0, float(2 * below / math.factorial(n)))
