"""Fits to networks whose costs are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.costs.architectures import Columns, cost_of, draw, invent_costs, measured

from autodas.costs import CostTable, Measurements, chosen_columns, live_columns
from autodas.costs._ridge import Fitted
from autodas.costs._unknowns import Unknowns
from autodas.costs.fit import errors_of, fit_table
from autodas.errors import AutodasError
from autodas.spaces import get_space

NASBENCH, O2D = "nasbench201", "cifar-o2d"


@pytest.mark.parametrize(("columns", "dead_parts"), [(chosen_columns, True), (live_columns, False)])
def test_known_costs_are_recovered(columns: Columns, dead_parts: bool) -> None:
    """Whether parts of a cell cost something that its output does not need, follows from the measurements."""
    costs = invent_costs(NASBENCH, spread=0.3)
    table = fit_table(measured(NASBENCH, draw(NASBENCH, 150), costs, columns=columns))
    assert table.dead_parts == dead_parts
    assert table.constant == pytest.approx(10, rel=0.01)
    assert np.array(table.costs["normal"]) == pytest.approx(costs["normal"], abs=0.03)
    assert table.fit["rank_correlation"] > 0.999


@pytest.fixture(scope="module")
def few() -> tuple[CostTable, list[float], list[float]]:
    """Table fitted to 40 networks for 197 unknowns, with predicted and true costs of others."""
    genotypes = draw(O2D, 240)
    costs = invent_costs(O2D, spread=0.05)
    table = fit_table(measured(O2D, genotypes[:40], costs, noise=0.02))
    others = genotypes[40:]
    return table, [table.predict(one) for one in others], [cost_of(one, O2D, costs) for one in others]


def test_few_networks_suffice(few: tuple[CostTable, list[float], list[float]]) -> None:
    table, predicted, truth = few
    assert errors_of(predicted, truth).rank_correlation > 0.9
    assert (table.fit["networks"], table.fit["unknowns"], table.fit["folds"]) == (40, 197, 5)


def test_costs_start_from_zero_where_only_differences_are_known(
    few: tuple[CostTable, list[float], list[float]],
) -> None:
    table, _, _ = few
    assert all(np.min(rows) == 0 for rows in table.costs.values())
    # As many edges are in all cells: two in each of four nodes.
    space = get_space(O2D)
    unknowns = Unknowns(space.cell, space.kinds, space.skeleton)
    generator = np.random.default_rng(0)
    fitted = Fitted(3.0, generator.normal(size=len(unknowns.places)))
    shifted = unknowns.from_zero(fitted)
    counted = unknowns.counted(draw(O2D, 20), dead_parts=True)
    assert counted.sum(1).tolist() == [16.0] * 20
    assert shifted.predict(counted) == pytest.approx(fitted.predict(counted))
    # Where "none" can be chosen, costs themselves are known.
    space = get_space(NASBENCH)
    unknowns = Unknowns(space.cell, space.kinds, space.skeleton)
    fitted = Fitted(3.0, generator.normal(size=len(unknowns.places)))
    assert unknowns.from_zero(fitted) is fitted


def test_held_out_errors_are_those_of_unseen_networks(
    few: tuple[CostTable, list[float], list[float]],
) -> None:
    table, predicted, truth = few
    errors = errors_of(predicted, truth)
    assert table.fit["median_error"] == pytest.approx(errors.median, abs=0.01)
    assert abs(table.fit["rank_correlation"] - errors.rank_correlation) < 0.06
    own, others = np.array(table.fit["held_out"]).T
    assert errors_of(others.tolist(), own.tolist()).median == table.fit["median_error"]


def test_noise_is_not_predicted() -> None:
    """An error measured on fitted networks, or with strengths chosen on all of them, would look good."""
    generator = np.random.default_rng(1)
    genotypes = draw(O2D, 40)
    pairs = tuple((genotype, float(generator.uniform(1, 3))) for genotype in genotypes)
    fit = fit_table(Measurements("m.csv", "latency_ms", get_space(O2D), pairs)).fit
    assert abs(fit["rank_correlation"]) < 0.35
    assert fit["median_error"] > 0.15


def test_the_same_measurements_give_the_same_table() -> None:
    measurements = measured(NASBENCH, draw(NASBENCH, 30), invent_costs(NASBENCH, 0.1), noise=0.05)
    assert fit_table(measurements).to_dict() == fit_table(measurements).to_dict()


def test_errors_by_hand() -> None:
    # Relative errors 0.1, 0.2, 0.5, 0; ranks 2, 1, 3, 4 for 1, 2, 3, 4: 1 - 6 * 2 / (4 * 15).
    errors = errors_of([11.0, 9.6, 18.0, 20.0], [10.0, 12.0, 12.0 + 1e-12, 20.0])
    assert errors.rank_correlation == pytest.approx(0.8)
    assert errors.median == pytest.approx(0.15)
    assert errors.p90 == pytest.approx(0.2 + 0.7 * 0.3)
    assert errors_of([1.0, 1.0], [1.0, 2.0]).rank_correlation == 0


def test_too_few_networks() -> None:
    measurements = measured(NASBENCH, draw(NASBENCH, 4), invent_costs(NASBENCH, 0.1))
    with pytest.raises(AutodasError, match=r"4 measured networks are too few: .* 4 operations .* at least 5"):
        fit_table(measurements)


def test_nothing_to_fit() -> None:
    measurements = measured(NASBENCH, draw(NASBENCH, 20), invent_costs(NASBENCH, 0.1))
    same = replace(measurements, costs=tuple((genotype, 3.0) for genotype, _ in measurements.costs))
    with pytest.raises(AutodasError, match="all networks have the same latency_ms"):
        fit_table(same)


def test_an_operation_that_was_not_measured() -> None:
    genotypes = [
        one
        for one in draw(NASBENCH, 200)
        if all(edge.operation != "avg_pool_3x3" for _, edge in one.cells["normal"].edges())
    ]
    with pytest.raises(AutodasError, match="no measured network has the operation 'avg_pool_3x3'"):
        fit_table(measured(NASBENCH, genotypes, invent_costs(NASBENCH, 0.1)))
