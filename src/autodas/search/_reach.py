"""Reach of a search before it begins: how far its architecture parameters can move before the decisions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from autodas.strategies.base import Strategy

MOVED = 0.5
"""Architecture parameters that could move by less than this are still at their start, whatever the data."""

RANDOM = "close to a random choice"

USUAL = 3.0
"""Reach from which searches are usual; in the SDAS paper it is 3e-4 x 19,531 = 5.9."""

FEW = 200
"""Steps below which another seed finds another cell, whatever the rate: in searches of 80 and 120 iterations
two seeds decided 14 to 26 % of the edges alike, where chance is 14 to 19 % (docs/results.md)."""


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

    @property
    def usual_epochs(self) -> int | None:
        """Epochs with which movement and steps are usual; ``None`` if nothing moves however long it takes."""
        if self.movement == 0:
            return None
        return math.ceil(self.epochs * max(USUAL / self.movement, FEW / self.steps))

    def remark(self) -> str | None:
        """Return a remark if the cell will be close to a random choice, with what helps; else ``None``."""
        if self.movement >= MOVED and self.steps >= FEW:
            return None
        if self.movement < MOVED:
            reason = (
                f"before the decisions an architecture parameter can move by at most {self.movement:.2g} "
                f"(learning rate times steps; {USUAL:g} and more is usual)"
            )
        else:
            reason = (
                f"an architecture parameter takes {self.steps:.0f} steps before the decisions, and in "
                f"measurements with fewer than {FEW} another seed found another cell"
            )
        return f"the cell will be {RANDOM}: {reason}{advice(self.usual_epochs)}"


def advice(epochs: int | None) -> str:
    """Return what helps against decisions that chance makes, as a sentence after another.

    Args:
        epochs: number of epochs to search; ``None`` if their number does not help.
    """
    if epochs is None:
        return ""
    return f". Search all your data for `epochs={epochs}` or more, and compare seeds (autodas compare)"


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
