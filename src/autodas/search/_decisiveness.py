"""Decisiveness of a search, computed from its log: are its decisions better than those of random steps?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from statistics import fmean
from typing import Any

import numpy as np

from autodas.runs.events import Decision, Event
from autodas.runs.leaders import WINDOW, Leaders
from autodas.search._reach import MOVED, RANDOM, USUAL, Reach, advice
from autodas.strategies.base import Phase

CLEAR = 1.5
"""A cell is close to a random choice if the mean margin is below this multiple of that of random steps."""

STEADY = 0.75
"""It is, too, if the leading operation changed on more than this multiple of the share for random steps."""

_WALKS = 4000

_VERDICT = f"this cell is {RANDOM}: another seed would probably find another one, equally justified"


@dataclass(frozen=True)
class Decisiveness:
    """Margin and stability of the decisions on edges, each as of the time of its decision.

    Random steps are those of a search whose steps all go in random directions, independent of the data.

    Attributes:
        margin: mean lead of the operation that won an edge, in [0, 1].
        chance: that mean for random steps: it grows with the learning rate and with the square root of the
            number of steps.
        reach: maximum movement of an architecture parameter before the decisions: learning rate times steps,
            on average.
        stability: share of the edges whose operation led at all of the latest evaluations before the
            decision; ``None`` if all decisions fell before the second evaluation.
        stability_chance: that share for random steps: it depends on the times of the evaluations alone.
        edges: number of edges of this share.
    """

    margin: float
    chance: float
    reach: float
    stability: float | None
    stability_chance: float | None
    edges: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def told(self) -> list[str]:
        """Return lines of text."""
        lines = [
            f"mean margin of the decisions on edges: {self.margin:.3f} (random steps would give "
            f"{self.chance:.3f})"
        ]
        if self.stability is not None:
            lines.append(
                f"share of edges whose leading operation did not change in the {WINDOW} epochs up to its "
                f"decision: {self.stability:.2f} (random steps would give {self.stability_chance:.2f})"
            )
        return lines

    def remarks(self, rate: float, epochs: int) -> list[str]:
        """Return remarks on these decisions, in sentences; none if they are sound.

        Args:
            rate: learning rate of the architecture.
            epochs: number of epochs of the search.
        """
        usual = Reach(self.reach, rate, epochs).usual_epochs
        if self.reach < MOVED:
            return [
                f"{_VERDICT}. Before its decisions an architecture parameter could move by at most "
                f"{self.reach:.2g} (learning rate times steps; {USUAL:g} and more is usual){advice(usual)}"
            ]
        reasons = []
        if self.unclear:
            reasons.append("the margin of its decisions is hardly larger than that of random steps")
        if self.unsteady:
            reasons.append("its leading operations changed almost as often as by random steps")
        if not reasons:
            return []
        longer = max(2 * epochs, usual or 0)
        return [f"{_VERDICT}, since {' and '.join(reasons)}{advice(longer)}"]

    @property
    def unclear(self) -> bool:
        """Whether the margin is about that of random steps."""
        return self.margin < CLEAR * self.chance

    @property
    def unsteady(self) -> bool:
        """Whether the leading operations changed about as often as by random steps."""
        if self.stability is None or self.stability_chance is None:
            return False
        return 1 - self.stability > STEADY * (1 - self.stability_chance)


def decisiveness(
    events: Iterable[Event], phase: Phase, begin: int, rate: float, trained_share: float = 1.0
) -> Decisiveness | None:
    """Return margin and stability of the decisions of a phase; ``None`` if none of them was on an edge.

    Args:
        events: the log of the search.
        phase: the phase.
        begin: number of iterations before the phase.
        rate: learning rate of the architecture.
        trained_share: share of the iterations in which a given parameter of the architecture is trained.
    """
    cell = phase.space.cell
    numbers = {tuple(edge): number for number, edge in enumerate(cell.edges)}
    leaders, since, choices = Leaders(), begin + phase.weights_only, _choices(phase)
    margins, chances, steps = [], [], []
    same, same_chances = [], []
    for event in events:
        if isinstance(event, Decision) and event.what == "edge" and event.iteration > begin:
            count = max(0, event.iteration - since)
            margins.append(event.priority or 0.0)
            chances.append(_lead(choices, rate * (trained_share * count) ** 0.5))
            steps.append(trained_share * count)
            number = numbers.get(tuple(event.edge or ()), len(numbers))
            if earlier := leaders.before(event.iteration, since, event.kind, number):
                same.append(all(name == event.operation for _, name in earlier))
                times = (*(when - since for when, _ in earlier), count)
                same_chances.append(_same_leader(choices, times))
        leaders.add(event)
    if not margins:
        return None
    return Decisiveness(
        margin=fmean(margins),
        chance=fmean(chances),
        reach=rate * fmean(steps),
        stability=fmean(same) if same else None,
        stability_chance=fmean(same_chances) if same else None,
        edges=len(same),
    )


def _choices(phase: Phase) -> int:
    """Return the number of operations that compete for an edge."""
    competes = [name in phase.space.cell.choices for name in phase.space.cell.operations]
    return max(
        sum(there and own for there, own in zip(row, competes, strict=True))
        for mask in phase.alive.values()
        for row in mask
    )


@cache
def _lead(choices: int, deviation: float) -> float:
    """Return the mean lead of the largest softmax weight over the second, for normally distributed logits."""
    logits = deviation * _walks(choices, (1,))[:, 0]
    weights = np.exp(logits - logits.max(1, keepdims=True))
    ranked = np.sort(weights / weights.sum(1, keepdims=True), axis=1)
    return float((ranked[:, -1] - ranked[:, -2]).mean()) if choices > 1 else 1.0


@cache
def _same_leader(choices: int, times: tuple[int, ...]) -> float:
    """Return the probability that the same coordinate of a random walk is the largest at all times."""
    leaders = _walks(choices, times).argmax(2)
    return float((leaders == leaders[:, :1]).all(1).mean())


def _walks(choices: int, times: Sequence[int]) -> np.ndarray[Any, Any]:
    """Return random walks at the given times; shape (walks, times, choices)."""
    steps = np.random.default_rng(0).standard_normal((_WALKS, len(times), choices))
    walks: np.ndarray[Any, Any] = np.cumsum(steps * np.sqrt(np.diff(times, prepend=0))[:, None], axis=1)
    return walks
