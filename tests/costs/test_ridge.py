"""Ridge regression of costs, against sklearn and the normal equations."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from autodas.costs._ridge import fit_non_negative, fit_ridge

GENERATOR = np.random.default_rng(0)
COUNTED = GENERATOR.integers(0, 2, (30, 8)).astype(float)
MEASURED = 5 + COUNTED @ np.linspace(-1, 2, 8) + GENERATOR.normal(0, 0.2, 30)
IDENTITY = np.eye(8)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 10.0])
def test_equals_weighted_ridge_of_sklearn(penalty: float) -> None:
    model = Ridge(alpha=penalty / MEASURED.mean() ** 2)
    model.fit(COUNTED, MEASURED, sample_weight=MEASURED**-2.0)
    (found,) = fit_ridge(COUNTED, MEASURED, IDENTITY, [penalty])
    assert found.costs == pytest.approx(model.coef_, abs=1e-9)
    assert found.constant == pytest.approx(model.intercept_, abs=1e-9)
    assert found.predict(COUNTED) == pytest.approx(model.predict(COUNTED), abs=1e-9)


@pytest.mark.parametrize("networks", [5, 30])
def test_solves_the_normal_equations_with_a_covariance(networks: int) -> None:
    """Also with fewer networks than costs."""
    counted, measured = COUNTED[:networks], MEASURED[:networks]
    factor = GENERATOR.normal(size=(8, 11))
    penalty = 0.3
    # Gradient of the sum in the docstring with respect to c and theta.
    design = np.hstack([np.ones((networks, 1)), counted]) / measured[:, None]
    matrix = design.T @ design
    matrix[1:, 1:] += penalty / measured.mean() ** 2 * np.linalg.inv(factor @ factor.T)
    expected = np.linalg.solve(matrix, design.T @ np.ones(networks))
    _, found = fit_ridge(counted, measured, factor, [5.0, penalty])
    assert [found.constant, *found.costs] == pytest.approx(expected.tolist(), rel=1e-7)


def test_non_negative_costs_equal_those_of_sklearn() -> None:
    penalty = 0.5
    model = Ridge(alpha=penalty / MEASURED.mean() ** 2, positive=True, tol=1e-10)
    model.fit(COUNTED, MEASURED, sample_weight=MEASURED**-2.0)
    found = fit_non_negative(COUNTED, MEASURED, IDENTITY, penalty)
    assert (found.costs == 0).any()
    assert fit_ridge(COUNTED, MEASURED, IDENTITY, [penalty])[0].costs.min() < 0
    assert found.costs == pytest.approx(model.coef_, abs=1e-4)
    assert found.constant == pytest.approx(model.intercept_, abs=1e-4)


def test_non_negative_costs_equal_the_others_where_these_are_positive() -> None:
    factor = np.hstack([np.ones((8, 1)), 0.1 * IDENTITY])
    measured = 5 + COUNTED @ np.linspace(0.9, 1.1, 8)
    (expected,) = fit_ridge(COUNTED, measured, factor, [0.1])
    found = fit_non_negative(COUNTED, measured, factor, 0.1)
    assert expected.costs.min() > 0
    assert found.costs == pytest.approx(expected.costs, rel=1e-6)
    assert found.constant == pytest.approx(expected.constant, rel=1e-6)


def test_the_unit_does_not_matter() -> None:
    (found,) = fit_ridge(COUNTED, MEASURED, IDENTITY, [0.1])
    (thousandths,) = fit_ridge(COUNTED, 1000 * MEASURED, IDENTITY, [0.1])
    assert thousandths.costs == pytest.approx(1000 * found.costs)
    assert thousandths.constant == pytest.approx(1000 * found.constant)
