"""Reach of a search before it begins: how far its architecture parameters can move before the decisions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from autodas.search._decisiveness import MOVED
from autodas.strategies.base import Strategy

USUAL = 3.0
"""Reach from which searches are usual; in the SDAS paper it is 3e-4 x 19,531 = 5.9."""

FEW = 200
"""Steps below which another seed finds another cell, whatever the rate: in searches of 80 and 120 iterations
two seeds decided 14 to 26 % of the edges alike, where chance is 14 to 19 % (docs/results.md)."""

HIGH = 0.2
"""Highest learning rate that is suggested: the highest of the presets."""


@dataclass(frozen=True)
class Reach:
    """Maximum movement of an architecture parameter before the decisions.

    Attributes:
        movement: learning rate times the mean number of steps of a parameter before a decision: a step of
            Adam moves it by about the learning rate.
        rate: the learning rate.
        epochs: number of epochs of the search.
    """

    movement: float
    rate: float
    epochs: int

    @property
    def steps(self) -> float:
        """Mean number of steps of a parameter before a decision."""
        return self.movement / self.rate if self.rate else 0.0

    def remark(self) -> str | None:
        """Return a remark if the cell will be close to a draw, with settings that are not; else ``None``."""
        if self.movement >= MOVED:
            return self._few_steps() if self.steps < FEW else None
        text = (
            "the cell will be close to a draw: before the decisions an architecture parameter can move by at "
            f"most {self.movement:.2g} (learning rate times steps; {USUAL:g} and more is usual)"
        )
        if self.movement == 0:
            return text
        factor = USUAL / self.movement
        epochs, rate = math.ceil(self.epochs * factor), self.rate * factor
        raised = f" or `strategy.learning_rate={rate:.2g}`" if rate <= HIGH else ""
        return f"{text}. `epochs={epochs}`{raised} would be enough"

    def _few_steps(self) -> str:
        return (
            "the cell will be close to a draw: an architecture parameter takes "
            f"{self.steps:.0f} steps before the decisions, and in measurements with fewer than {FEW} another "
            "seed found another cell. Raise `epochs`, use more data, or compare seeds (autodas compare)"
        )


def reach_of(strategy: Strategy, epochs: int) -> Reach | None:
    """Return the reach of a method in its state before the search; ``None`` if it has no learning rate.

    Args:
        strategy: the method.
        epochs: number of epochs of the search.
    """
    rate = getattr(strategy.settings, "learning_rate", None)
    if rate is None:
        return None
    waited = strategy.decision_phase().weights_only
    steps = fmean(max(0, time - waited) for time in strategy.decision_times())
    return Reach(float(rate) * strategy.trained_share * steps, float(rate), epochs)
