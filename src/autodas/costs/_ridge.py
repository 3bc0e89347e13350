"""Additive costs from few measurements: ridge regression with costs shared within groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Prior(NamedTuple):
    """Expectation of costs before anything is measured.

    Attributes:
        penalty: strength, lambda; without a unit.
        deviation: standard deviation of a single cost around that of its group, as a fraction of the standard
            deviation of the groups' costs around 0, r.
        non_negative: whether no cost is negative.
    """

    penalty: float
    deviation: float
    non_negative: bool = False


def fit_costs(
    counted: np.ndarray, measured: np.ndarray, group_of: np.ndarray, prior: Prior
) -> tuple[float, np.ndarray]:
    r"""Return the constant c and the costs :math:`\theta` that fit measured networks best.

    .. math:: \min_{c, \theta} \sum_n \left( \frac{y_n - c - x_n^T \theta}{y_n} \right)^2
        + \frac{\lambda}{\bar y^2} \theta^T (G G^T + r^2 I)^{-1} \theta

    with :math:`G_{ig} = 1` if cost i is of group g. That is the expectation of a cost that is the sum of one
    of its group and one of its own, which are independent and normally distributed around 0. As few networks
    determine the groups' costs well, and their own costs hardly, a table of hundreds of costs can be
    fitted to dozens of networks. Errors are relative, since noise of timings and tolerances of limits are;
    the unit of the costs does not matter.

    Args:
        counted: x, networks x costs, zeros and ones.
        measured: y, the costs of the networks, above 0.
        group_of: number of the group of each cost.
        prior: lambda, r, and whether :math:`\theta \ge 0` (Lawson and Hanson, *Solving Least Squares
            Problems*, 1974, chapter 23).
    """
    same_group = (group_of[:, None] == group_of[None, :]).astype(float)
    covariance = same_group + prior.deviation**2 * np.eye(len(group_of))
    weights = 1.0 / measured**2
    centre, mean = weights @ counted / weights.sum(), weights @ measured / weights.sum()
    design = (counted - centre) / measured[:, None]
    target = (measured - mean) / measured
    penalty = prior.penalty / measured.mean() ** 2
    if prior.non_negative:
        costs = _non_negative(design, target, penalty, covariance)
    else:
        # The same minimum as the normal equations have, in as many unknowns as there are networks.
        shared = covariance @ design.T
        costs = shared @ np.linalg.solve(design @ shared + penalty * np.eye(len(target)), target)
    return float(mean - centre @ costs), costs


def _non_negative(
    design: np.ndarray, target: np.ndarray, penalty: float, covariance: np.ndarray
) -> np.ndarray:
    from scipy.optimize import nnls

    # theta^T C^-1 theta = |L^-1 theta|^2 for C = L L^T.
    root = np.linalg.inv(np.linalg.cholesky(covariance)) * np.sqrt(penalty)
    scale = np.sqrt((design**2).sum()) or 1.0
    rows = np.vstack([design, root]) / scale
    costs: np.ndarray = nnls(rows, np.concatenate([target, np.zeros(len(root))]) / scale)[0]
    return costs
