"""Fit of a table of costs to measured networks, with its error on networks held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autodas.costs._choice import FOLDS, Model, Networks
from autodas.costs._measurements import Measurements
from autodas.costs._table import CostTable
from autodas.costs._unknowns import Unknowns
from autodas.errors import AutodasError


class Errors(NamedTuple):
    """Errors of predicted costs.

    Attributes:
        rank_correlation: Spearman's rank correlation of predicted and measured costs; 0 if all predictions
            are the same.
        median: median of the relative errors.
        p90: their 90th percentile.
    """

    rank_correlation: float
    median: float
    p90: float


def fit_table(measurements: Measurements) -> CostTable:
    """Return the additive table that predicts measured networks best.

    What the data do not say is chosen by cross-validation, by the mean squared relative error: the two
    strengths of the prior, whether edges count that do not contribute to a cell's output, and whether costs
    may be negative. The errors in :attr:`CostTable.fit` are those of networks that take part neither in a fit
    nor in its choices: an outer cross-validation holds them out, in each part of which all is chosen anew.

    Args:
        measurements: measured networks.

    Raises:
        AutodasError: if there are fewer networks than operations whose costs are to be found, if none of them
            has one of these, or if all cost the same.
    """
    space, setting = measurements.space, measurements.setting
    unknowns = Unknowns(space.cell, space.kinds, space.skeleton if setting is None else setting.skeleton)
    genotypes = [genotype for genotype, _ in measurements.costs]
    _check(measurements, unknowns.operations)
    counted = {dead: unknowns.counted(genotypes, dead) for dead in (False, True)}
    if np.array_equal(counted[False], counted[True]):
        del counted[True]
    networks = Networks(unknowns, counted, np.array([cost for _, cost in measurements.costs]))
    held_out = networks.held_out(Networks.best_model)
    model = networks.best_model()
    fitted = unknowns.from_zero(networks.fit(model))
    facts = {"skipped": measurements.skipped, "unknowns": len(unknowns.places) + 1}
    return CostTable(
        measurements.metric,
        space.cell,
        unknowns.table(fitted.costs.tolist()),
        fitted.constant,
        setting,
        measurements.device,
        facts | _facts(model, networks.measured.tolist(), held_out.tolist()),
        measurements.name,
        model.dead_parts,
    )


def errors_of(predicted: Sequence[float], measured: Sequence[float]) -> Errors:
    """Return the errors of predicted costs."""
    from scipy.stats import spearmanr

    costs, truth = np.asarray(predicted), np.asarray(measured)
    relative = np.abs(costs / truth - 1)
    constant = np.ptp(costs) == 0 or np.ptp(truth) == 0
    rank = 0.0 if constant else float(spearmanr(costs, truth).statistic)
    return Errors(rank, float(np.median(relative)), float(np.percentile(relative, 90)))


def _check(measurements: Measurements, operations: Sequence[str]) -> None:
    networks, needed = len(measurements.costs), len(operations) + 1
    if networks < needed:
        raise AutodasError(
            f"{measurements.name}: {networks} measured networks are too few: the costs of {len(operations)} "
            f"operations and a constant need at least {needed}, better 40 to 100"
        )
    if len({cost for _, cost in measurements.costs}) == 1:
        raise AutodasError(
            f"{measurements.name}: all networks have the same {measurements.metric}: there is nothing to fit"
        )
    cells = [cell for genotype, _ in measurements.costs for cell in genotype.cells.values()]
    seen = {edge.operation for cell in cells for _, edge in cell.edges()}
    if missing := [name for name in operations if name not in seen]:
        raise AutodasError(
            f"{measurements.name}: no measured network has the operation '{missing[0]}', whose cost is "
            "unknown: measure some that have it"
        )


def _facts(model: Model, measured: Sequence[float], held_out: Sequence[float]) -> dict[str, Any]:
    errors = errors_of(held_out, measured)
    return {
        "networks": len(measured),
        "model": "non-negative" if model.non_negative else "ridge",
        "penalty": model.penalty,
        "group_deviation": model.group,
        "edge_deviation": model.edge,
        "folds": FOLDS,
        "rank_correlation": errors.rank_correlation,
        "median_error": errors.median,
        "p90_error": errors.p90,
        "held_out": [[cost, predicted] for cost, predicted in zip(measured, held_out, strict=True)],
    }
