"""Choice of a model of costs by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autodas.costs._ridge import Prior, fit_costs

FOLDS = 5
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_DEVIATIONS = (0.03, 0.1, 0.3, 1.0)


class Model(NamedTuple):
    """Model of the costs of networks.

    Attributes:
        prior: expectation of the costs of operations.
        dead_parts: whether edges count that do not contribute to a cell's output.
    """

    prior: Prior
    dead_parts: bool


@dataclass(frozen=True)
class Networks:
    """Measured networks.

    Args:
        counted: networks x unknown costs, zeros and ones; without and with edges that do not contribute to a
            cell's output, or one of both where there are no such edges.
        measured: their costs, above 0.
        group_of: number of the group of each unknown cost.
    """

    counted: Mapping[bool, np.ndarray]
    measured: np.ndarray
    group_of: np.ndarray

    def part(self, chosen: np.ndarray) -> Networks:
        """Return some of the networks."""
        counted = {dead: rows[chosen] for dead, rows in self.counted.items()}
        return Networks(counted, self.measured[chosen], self.group_of)

    def fit(self, model: Model) -> tuple[float, np.ndarray]:
        """Return the constant and the unknown costs."""
        return fit_costs(self.counted[model.dead_parts], self.measured, self.group_of, model.prior)

    def held_out(self, choose: Callable[[Networks], Model]) -> np.ndarray:
        """Return predictions for all networks, each by a fit to the parts of a cross-validation without it.

        Args:
            choose: returns the model for the networks that are fitted.
        """
        predicted = np.zeros(len(self.measured))
        for inside, outside in _folds(len(self.measured)):
            model = choose(self.part(inside))
            constant, costs = self.part(inside).fit(model)
            predicted[outside] = constant + self.counted[model.dead_parts][outside] @ costs
        return predicted

    def best_model(self) -> Model:
        """Return the model with the least error in cross-validation, if possible without negative costs."""
        models = [
            Model(Prior(penalty, deviation), dead)
            for dead in self.counted
            for penalty in _PENALTIES
            for deviation in _DEVIATIONS
        ]
        errors = [self._error(model) for model in models]
        best = models[int(np.argmin(errors))]
        non_negative = best._replace(prior=best.prior._replace(non_negative=True))
        return non_negative if self._error(non_negative) <= min(errors) else best

    def _error(self, model: Model) -> float:
        """Return the mean squared relative error in cross-validation."""
        return float(((self.held_out(lambda _: model) / self.measured - 1) ** 2).mean())


def _folds(networks: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the numbers of the networks that are fitted and of those that are held out, for each fold."""
    order = np.random.default_rng(0).permutation(networks)
    for number in range(min(FOLDS, networks)):
        outside = np.zeros(networks, bool)
        outside[order[number::FOLDS]] = True
        yield np.flatnonzero(~outside), np.flatnonzero(outside)
