"""Has a search decided, or drawn lots? Told from its log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from statistics import fmean
from typing import Any

from autodas.runs.events import Architecture, Decision, Event
from autodas.spaces import CellSpace

CLEAR = 1.5
"""Decisions whose mean margin is not so many times that of random steps look random."""

STABLE = 1 / 3
"""Decisions look random where the leading operation of a larger share of the edges changed so late."""

MOVED = 0.5
"""Architecture parameters that could move by less have not left their start, whatever they are of."""

_DRAWS = 1000


@dataclass(frozen=True)
class Decisiveness:
    """How clear and how stable the decisions on edges were.

    Attributes:
        margin: mean lead of the operation that won an edge, in [0, 1].
        chance: what that would be had every step gone in a random direction: it grows with the learning
            rate and with the root of the number of steps, and says nothing about the data.
        reach: how far an architecture parameter could move until the decisions: rate times steps, on average.
        changed: edges whose leading operation was another one when two thirds of the search were done.
        edges: edges that were open then.
    """

    margin: float
    chance: float
    reach: float
    changed: int
    edges: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def told(self) -> list[str]:
        """Return lines for people."""
        lines = [
            f"mean margin of the decisions on edges: {self.margin:.3f} (of steps in random directions it is "
            f"{self.chance:.3f})"
        ]
        if self.edges:
            share = 100 * self.changed / self.edges
            lines.append(
                f"leading operation changed in the last third of the search: on {self.changed} of the "
                f"{self.edges} edges that were open ({share:.0f} %)"
            )
        return lines

    def remarks(self) -> list[str]:
        """Return what people should know about these decisions, in sentences; none where they are sound."""
        if self.reach < MOVED:
            return [
                "these decisions are random: until they fell an architecture parameter could move by "
                f"{self.reach:.2g} at most (learning rate times steps; 3 and more is usual). Search longer "
                "(--epochs), or raise --strategy.learning_rate"
            ]
        if self.looks_random:
            return [
                "these decisions look random: another seed would find another network, with no less reason. "
                "Search longer (--epochs) with a smaller --strategy.learning_rate, on more data, or see how "
                "far seeds differ (autodas compare)"
            ]
        return []

    @property
    def looks_random(self) -> bool:
        """Whether another search would probably decide otherwise."""
        late = self.changed > STABLE * self.edges
        return self.reach < MOVED or self.margin < CLEAR * self.chance or late


def decisiveness(
    events: Sequence[Event], cell: CellSpace, begin: int, weights_only: int, rate: float
) -> Decisiveness | None:
    """Return how clear and stable the decisions of a phase were; ``None`` where there were none on edges.

    Args:
        events: the log of the search.
        cell: what its decisions were about.
        begin: iterations before the phase.
        weights_only: how many of its iterations left the architecture alone.
        rate: learning rate of the architecture.
    """
    found = [e for e in events if isinstance(e, Decision) and e.what == "edge" and e.iteration > begin]
    if not found:
        return None
    steps = [max(0, event.iteration - begin - weights_only) for event in found]
    drawn = _draws(len(cell.choices))
    cut = begin + (max(event.iteration for event in found) - begin) * 2 / 3
    before = _leaders([e for e in events if isinstance(e, Architecture) and begin < e.iteration <= cut], cell)
    after = {(e.kind, tuple(e.edge or ())): e.operation for e in found}
    open_then = [edge for edge in before if edge in after]
    return Decisiveness(
        margin=fmean(event.priority or 0.0 for event in found),
        chance=fmean(_lead(drawn, rate * math.sqrt(count)) for count in steps),
        reach=rate * fmean(steps),
        changed=sum(before[edge] != after[edge] for edge in open_then),
        edges=len(open_then),
    )


def _leaders(snapshots: Sequence[Architecture], cell: CellSpace) -> dict[tuple[str, Any], str]:
    """Return the leading operation of every edge that is open in the last of some snapshots."""
    if not snapshots:
        return {}
    columns = [o for o, name in enumerate(cell.operations) if name in cell.choices]
    return {
        (kind, tuple(cell.edges[e])): cell.operations[max(columns, key=lambda o: row[o])]
        for kind, weights in (snapshots[-1].weights or {}).items()
        for e, row in enumerate(weights.get("alpha") or [])
        if row is not None
    }


def _draws(count: int) -> list[list[float]]:
    generator = Random(0)
    return [[generator.gauss(0, 1) for _ in range(count)] for _ in range(_DRAWS)]


def _lead(drawn: Sequence[Sequence[float]], deviation: float) -> float:
    """Return the mean lead of the largest of softmax weights over the second, of normal logits."""
    leads = []
    for row in drawn:
        second, first = sorted(row)[-2:] if len(row) > 1 else (0.0, 0.0)
        whole = sum(math.exp(deviation * (x - first)) for x in row)
        leads.append((1 - math.exp(deviation * (second - first))) / whole)
    return fmean(leads)
