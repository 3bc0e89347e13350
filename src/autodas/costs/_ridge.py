r"""Additive costs from few measurements: ridge regression with an expectation of what costs have in common.

The constant c and the costs :math:`\theta` minimise

.. math:: \sum_n \left( \frac{y_n - c - x_n^T \theta}{y_n} \right)^2
    + \frac{\lambda}{\bar y^2} \theta^T (F F^T)^{-1} \theta

for measured networks n that contain :math:`x_n` and cost :math:`y_n`, in the mean :math:`\bar y`. The second
term says that costs have mean 0 and, up to a factor, the covariance :math:`F F^T` (Hoerl and Kennard, *Ridge
Regression*, Technometrics 1970, with a generalised penalty): a few dozen networks determine well what the
costs of an operation have in common, and less so their differences. Errors are relative, since noise of
timings and tolerances of limits are; the unit of the costs does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Fitted(NamedTuple):
    """Costs found.

    Attributes:
        constant: c.
        costs: theta.
    """

    constant: float
    costs: np.ndarray

    def predict(self, counted: np.ndarray) -> np.ndarray:
        """Return the costs of networks, from x."""
        predicted: np.ndarray = self.constant + counted @ self.costs
        return predicted


def fit_ridge(
    counted: np.ndarray, measured: np.ndarray, factor: np.ndarray, penalties: Sequence[float]
) -> list[Fitted]:
    """Return the costs for each of several penalties.

    Args:
        counted: x, networks x costs, zeros and ones.
        measured: y, the costs of the networks, above 0.
        factor: F, costs x any number.
        penalties: values of lambda, above 0.
    """
    problem = _Problem.of(counted, measured)
    # In z with theta = F z the penalty is that of z's squares; the decomposition serves all penalties.
    left, sizes, right = np.linalg.svd(problem.design @ factor, full_matrices=False)
    target = left.T @ problem.target
    found = [right.T @ (sizes / (sizes**2 + penalty) * target) for penalty in penalties]
    return [problem.solved(factor @ z) for z in found]


def fit_non_negative(counted: np.ndarray, measured: np.ndarray, factor: np.ndarray, penalty: float) -> Fitted:
    """Return the costs of which none is negative (Lawson and Hanson, *Solving Least Squares Problems*, 1974).

    Args:
        counted: as for :func:`fit_ridge`.
        measured: likewise.
        factor: likewise; of full rank.
        penalty: lambda.
    """
    from scipy.optimize import nnls

    problem = _Problem.of(counted, measured)
    # The penalty is |L^-1 theta|^2 with F F^T = L L^T.
    root = np.sqrt(penalty) * np.linalg.inv(np.linalg.cholesky(factor @ factor.T))
    rows = np.vstack([problem.design, root])
    target = np.concatenate([problem.target, np.zeros(len(root))])
    return problem.solved(nnls(rows, target, maxiter=100 * len(root))[0])


class _Problem(NamedTuple):
    """Least squares without the constant, which has no penalty, in units of the mean cost.

    Attributes:
        design: networks x costs.
        target: costs of the networks.
        counted: weighted mean of x.
        cost: weighted mean of y.
        unit: mean of y, in its own unit.
    """

    design: np.ndarray
    target: np.ndarray
    counted: np.ndarray
    cost: float
    unit: float

    @classmethod
    def of(cls, counted: np.ndarray, measured: np.ndarray) -> _Problem:
        unit = float(measured.mean())
        relative = measured / unit
        weights = relative**-2.0
        centre, cost = weights @ counted / weights.sum(), float(weights @ relative / weights.sum())
        design = (counted - centre) / relative[:, None]
        return cls(design, (relative - cost) / relative, centre, cost, unit)

    def solved(self, costs: np.ndarray) -> Fitted:
        return Fitted(float(self.unit * (self.cost - self.counted @ costs)), self.unit * costs)
