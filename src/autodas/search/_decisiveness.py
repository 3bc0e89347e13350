"""Decisiveness of a search, computed from its log: are its decisions better than random?"""

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
"""Decisions look random if their mean margin is below this multiple of that of random steps."""

STABLE = 1 / 3
"""Decisions look random if the leading operation changed late on more than this share of the edges."""

MOVED = 0.5
"""Architecture parameters that could move by less than this are still at their start, whatever the data."""

_DRAWS = 1000


@dataclass(frozen=True)
class Decisiveness:
    """Margin and stability of the decisions on edges.

    Attributes:
        margin: mean lead of the operation that won an edge, in [0, 1].
        chance: that mean if every step had gone in a random direction: it grows with the learning rate and
            with the square root of the number of steps, and is independent of the data.
        reach: maximum movement of an architecture parameter before the decisions: learning rate times steps,
            on average.
        changed: number of edges whose leading operation changed in the last third of the search.
        edges: number of edges that were open at two thirds of the search.
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
        """Return lines of text."""
        lines = [
            f"mean margin of the decisions on edges: {self.margin:.3f} (random steps would give "
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
        """Return remarks on these decisions, in sentences; none if they are sound."""
        if self.reach < MOVED:
            return [
                "these decisions are random: before them an architecture parameter could move by at most "
                f"{self.reach:.2g} (learning rate times steps; 3 and more is usual). Search longer "
                "(`epochs`), or raise `strategy.learning_rate`"
            ]
        if self.looks_random:
            return [
                "these decisions look random: another seed would probably find another network, equally "
                "justified. Search longer (`epochs`) with a smaller `strategy.learning_rate`, on more data, "
                "or compare several seeds (autodas compare)"
            ]
        return []

    @property
    def looks_random(self) -> bool:
        """Whether another search would probably decide differently."""
        late = self.changed > STABLE * self.edges
        return self.reach < MOVED or self.margin < CLEAR * self.chance or late


def decisiveness(
    events: Sequence[Event], cell: CellSpace, begin: int, weights_only: int, rate: float
) -> Decisiveness | None:
    """Return margin and stability of the decisions of a phase; ``None`` if none of them was on an edge.

    Args:
        events: the log of the search.
        cell: cell space that the decisions refer to.
        begin: number of iterations before the phase.
        weights_only: number of its iterations that did not change the architecture.
        rate: learning rate of the architecture.
    """
    decisions = [e for e in events if isinstance(e, Decision) and e.what == "edge" and e.iteration > begin]
    if not decisions:
        return None
    steps = [max(0, event.iteration - begin - weights_only) for event in decisions]
    drawn = _draws(len(cell.choices))
    cut = begin + (max(event.iteration for event in decisions) - begin) * 2 / 3
    before = _leaders([e for e in events if isinstance(e, Architecture) and begin < e.iteration <= cut], cell)
    after = {(e.kind, tuple(e.edge or ())): e.operation for e in decisions}
    open_then = [edge for edge in before if edge in after]
    return Decisiveness(
        margin=fmean(event.priority or 0.0 for event in decisions),
        chance=fmean(_lead(drawn, rate * math.sqrt(count)) for count in steps),
        reach=rate * fmean(steps),
        changed=sum(before[edge] != after[edge] for edge in open_then),
        edges=len(open_then),
    )


def _leaders(snapshots: Sequence[Architecture], cell: CellSpace) -> dict[tuple[str, Any], str]:
    """Return the leading operation of every edge that is open in the last of the snapshots."""
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
    """Return the mean lead of the largest softmax weight over the second, for normally distributed logits."""
    leads = []
    for row in drawn:
        second, first = sorted(row)[-2:] if len(row) > 1 else (0.0, 0.0)
        whole = sum(math.exp(deviation * (x - first)) for x in row)
        leads.append((1 - math.exp(deviation * (second - first))) / whole)
    return fmean(leads)
