"""Fit of a table of costs to measured networks, with its error on networks held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autodas.costs._measurements import Measurements
from autodas.costs._ridge import Prior, fit_costs
from autodas.costs._table import CostTable
from autodas.costs._unknowns import Unknowns
from autodas.errors import AutodasError

FOLDS = 5
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_DEVIATIONS = (0.03, 0.1, 0.3, 1.0)


class Model(NamedTuple):
    """Model of the costs of networks.

    Attributes:
        prior: expectation of costs.
        dead_parts: whether edges count that do not contribute to a cell's output.
    """

    prior: Prior
    dead_parts: bool


class Errors(NamedTuple):
    """Errors of predictions for networks held out.

    Attributes:
        rank_correlation: Spearman's rank correlation of predicted and measured costs; 0 if all predictions are
            the same.
        median: median of the relative errors.
        p90: their 90th percentile.
    """

    rank_correlation: float
    median: float
    p90: float


def fit_table(measurements: Measurements) -> CostTable:
    """Return the additive table that predicts measured networks best.

    What the data do not say is chosen by cross-validation with the mean squared relative error: the two
    strengths of the prior, whether edges that do not contribute to a cell's output count, and whether negative
    costs are possible. The errors in :attr:`CostTable.fit` are those of networks that take part neither
    in a fit nor in its choices: an outer cross-validation, within each part of which all is chosen anew.

    Args:
        measurements: measured networks.

    Raises:
        AutodasError: if there are fewer networks than operations whose costs are to be found, if none of them
            contains one of these, or if all cost the same.
    """
    measured = np.array([cost for _, cost in measurements.costs])
    skeleton = measurements.space.skeleton if measurements.setting is None else measurements.setting.skeleton
    unknowns = Unknowns.of(measurements.space.cell, measurements.space.kinds, skeleton)
    _check_number(measurements, unknowns)
    genotypes = [genotype for genotype, _ in measurements.costs]
    counted = {dead: unknowns.counted(genotypes, dead) for dead in (False, True)}
    if np.array_equal(counted[False], counted[True]):
        del counted[True]
    _check_content(measurements, unknowns, next(iter(counted.values())))

    def predict(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        model = _choose({dead: x[train] for dead, x in counted.items()}, measured[train], unknowns.group_of)
        return _predict(counted[model.dead_parts], measured, unknowns.group_of, model.prior, train, test)

    held_out = _held_out(predict, len(measured))
    model = _choose(counted, measured, unknowns.group_of)
    constant, costs = fit_costs(counted[model.dead_parts], measured, unknowns.group_of, model.prior)
    return CostTable(
        measurements.metric,
        measurements.space.cell,
        unknowns.costs(costs),
        constant,
        measurements.setting,
        measurements.device,
        {"unknowns": len(unknowns.places) + 1, **_facts(measurements, model, measured, held_out)},
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


def _check_number(measurements: Measurements, unknowns: Unknowns) -> None:
    networks, needed = len(measurements.costs), len(unknowns.groups) + 1
    if networks < needed:
        raise AutodasError(
            f"{measurements.name}: {networks} measured networks are too few: space "
            f"'{measurements.space.name}' has {needed} unknowns, one for each operation in each kind of cell, "
            f"with and without stride, and the constant; measure at least {needed} networks, better {2 * needed}"
        )


def _check_content(measurements: Measurements, unknowns: Unknowns, counted: np.ndarray) -> None:
    if len({cost for _, cost in measurements.costs}) == 1:
        raise AutodasError(
            f"{measurements.name}: all networks have the same {measurements.metric}: there is nothing to fit"
        )
    for number, group in enumerate(unknowns.groups):
        if not counted[:, unknowns.group_of == number].any():
            raise AutodasError(
                f"{measurements.name}: no measured network has {group}, so that its cost is unknown: measure "
                "some that have it"
            )


def _choose(counted: Mapping[bool, np.ndarray], measured: np.ndarray, group_of: np.ndarray) -> Model:
    """Return the model with the least error in cross-validation; costs without sign where it is no worse."""

    def error(model: Model) -> float:
        def predict(train: np.ndarray, test: np.ndarray) -> np.ndarray:
            return _predict(counted[model.dead_parts], measured, group_of, model.prior, train, test)

        return float((((_held_out(predict, len(measured)) - measured) / measured) ** 2).mean())

    candidates = [
        Model(Prior(penalty, deviation), dead)
        for dead in counted
        for penalty in _PENALTIES
        for deviation in _DEVIATIONS
    ]
    found = {model: error(model) for model in candidates}
    best = min(candidates, key=found.__getitem__)
    signless = best._replace(prior=best.prior._replace(non_negative=True))
    return signless if error(signless) <= found[best] else best


def _predict(
    counted: np.ndarray,
    measured: np.ndarray,
    group_of: np.ndarray,
    prior: Prior,
    train: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    constant, costs = fit_costs(counted[train], measured[train], group_of, prior)
    predicted: np.ndarray = constant + counted[test] @ costs
    return predicted


def _held_out(predict: Callable[[np.ndarray, np.ndarray], np.ndarray], networks: int) -> np.ndarray:
    """Return predictions for all networks, each by a fit to the parts without it."""
    predicted = np.zeros(networks)
    for train, test in _folds(networks):
        predicted[test] = predict(train, test)
    return predicted


def _folds(networks: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    order = np.random.default_rng(0).permutation(networks)
    for number in range(min(FOLDS, networks)):
        inside = np.zeros(networks, bool)
        inside[order[number::FOLDS]] = True
        yield np.flatnonzero(~inside), np.flatnonzero(inside)


def _facts(
    measurements: Measurements, model: Model, measured: np.ndarray, held_out: np.ndarray
) -> dict[str, Any]:
    errors = errors_of(held_out.tolist(), measured.tolist())
    return {
        "networks": len(measured),
        "skipped": measurements.skipped,
        "model": "non-negative" if model.prior.non_negative else "ridge",
        "penalty": model.prior.penalty,
        "deviation": model.prior.deviation,
        "folds": FOLDS,
        "rank_correlation": errors.rank_correlation,
        "median_error": errors.median,
        "p90_error": errors.p90,
        "held_out": [[float(y), float(p)] for y, p in zip(measured, held_out, strict=True)],
    }
