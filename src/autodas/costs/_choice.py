"""Choice of a model of costs by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from autodas.costs._ridge import Fitted, fit_non_negative, fit_ridge
from autodas.costs._unknowns import Unknowns

FOLDS = 5
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_SIZES = (0.03, 0.1, 0.3, 1.0)
_DEVIATIONS = [(group, edge) for group in _SIZES for edge in _SIZES if edge <= group]


class Model(NamedTuple):
    """Model of the costs of networks.

    Attributes:
        dead_parts: whether edges count that do not contribute to a cell's output.
        group: deviation of groups, as in :meth:`Unknowns.common_parts`.
        edge: deviation of edges, likewise.
        penalty: strength of this expectation.
        non_negative: whether no cost is negative.
    """

    dead_parts: bool
    group: float
    edge: float
    penalty: float
    non_negative: bool = False


@dataclass(frozen=True)
class Networks:
    """Measured networks.

    Args:
        unknowns: the unknown costs.
        counted: networks x unknowns, zeros and ones: without and with edges that do not contribute to a
            cell's output, or without them alone.
        measured: costs of the networks, above 0.
    """

    unknowns: Unknowns
    counted: Mapping[bool, np.ndarray]
    measured: np.ndarray

    def part(self, chosen: np.ndarray) -> Networks:
        """Return some of the networks."""
        counted = {dead: rows[chosen] for dead, rows in self.counted.items()}
        return replace(self, counted=counted, measured=self.measured[chosen])

    def fit(self, model: Model) -> Fitted:
        """Return the costs by a model."""
        counted = self.counted[model.dead_parts]
        factor = self.unknowns.common_parts(model.group, model.edge)
        if model.non_negative:
            return fit_non_negative(counted, self.measured, factor, model.penalty)
        return fit_ridge(counted, self.measured, factor, [model.penalty])[0]

    def best_model(self) -> Model:
        """Return the model with the least error in cross-validation, if possible without negative costs."""
        errors: dict[Model, float] = {}
        for dead, counted in self.counted.items():
            for group, edge in _DEVIATIONS:
                factor = self.unknowns.common_parts(group, edge)
                predicted = [np.zeros(len(self.measured)) for _ in _PENALTIES]
                for inside, outside in _folds(len(self.measured)):
                    found = fit_ridge(counted[inside], self.measured[inside], factor, _PENALTIES)
                    for row, fitted in zip(predicted, found, strict=True):
                        row[outside] = fitted.predict(counted[outside])
                models = [Model(dead, group, edge, penalty) for penalty in _PENALTIES]
                errors |= zip(models, map(self._error, predicted), strict=True)
        best = min(errors, key=errors.__getitem__)
        non_negative = best._replace(non_negative=True)
        error = self._error(self.held_out(lambda _: non_negative))
        return non_negative if error <= errors[best] else best

    def held_out(self, choose: Callable[[Networks], Model]) -> np.ndarray:
        """Return predictions for all networks, each by a fit to the folds without it.

        Args:
            choose: returns the model for the networks of a fit.
        """
        predicted = np.zeros(len(self.measured))
        for inside, outside in _folds(len(self.measured)):
            part = self.part(inside)
            model = choose(part)
            predicted[outside] = part.fit(model).predict(self.counted[model.dead_parts][outside])
        return predicted

    def _error(self, predicted: np.ndarray) -> float:
        """Return the mean squared relative error."""
        return float(((predicted / self.measured - 1) ** 2).mean())


def _folds(networks: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the numbers of the networks that are fitted, and of those that are held out, for each fold."""
    order = np.random.default_rng(0).permutation(networks)
    for number in range(min(FOLDS, networks)):
        outside = np.zeros(networks, bool)
        outside[order[number::FOLDS]] = True
        yield np.flatnonzero(~outside), np.flatnonzero(outside)
