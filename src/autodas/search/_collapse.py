"""Diagnosis of a running search: skips in its derived cells; entropy, margins and stability of its edges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from autodas.runs.leaders import Leaders
from autodas.spaces import CellSpace, Space
from autodas.strategies.base import Strategy

COLLAPSED = 0.5
"""Share of skips among the edges of a cell from which a warning is printed."""


@dataclass(frozen=True)
class Diagnosis:
    """State of one cell kind.

    Attributes:
        skips: number of skip connections among the edges that would be kept if the search ended now.
        edges: number of those edges.
        entropy: mean entropy of the weights of an open edge, relative to the maximum; ``None`` if no edge is
            open.
        margin: mean lead of the strongest operation of an open edge over the second.
        margins: lead on each edge; ``None`` for decided edges.
        leaders: strongest operation of each edge, or the one decided for; ``None`` if unknown.
        stability: share of the edges with the same leader at the latest evaluations; ``None`` at the first.
    """

    skips: int
    edges: int
    entropy: float | None
    margin: float | None
    margins: list[float | None]
    leaders: list[str | None]
    stability: float | None = None


def diagnose(strategy: Strategy, space: Space) -> dict[str, Diagnosis]:
    """Return the state of all cell kinds, without its history; empty if the method relaxes nothing.

    Args:
        strategy: strategy of a running search.
        space: space of its phase.
    """
    operations = space.cell.operations
    choices = [o for o, name in enumerate(operations) if name in space.cell.choices]
    shown, diagnoses = strategy.snapshot(), {}
    for kind, kept in strategy.leading().items():
        alpha = shown[kind]["alpha"]
        rows = [None if row is None else [w for w in row if w] for row in alpha]
        # As in decisions, only operations that may be chosen compete for an edge.
        margins = [None if row is None else _lead([row[o] for o in choices]) for row in alpha]
        open_rows = [row for row in rows if row is not None and len(row) > 1]
        leads = [lead for lead in margins if lead is not None]
        diagnoses[kind] = Diagnosis(
            skips=sum(operations[column] == "skip_connect" for column in kept.values()),
            edges=len(kept),
            entropy=sum(map(_entropy, open_rows)) / len(open_rows) if open_rows else None,
            margin=sum(leads) / len(leads) if leads else None,
            margins=[None if lead is None else round(lead, 6) for lead in margins],
            leaders=[None if row is None else operations[max(choices, key=row.__getitem__)] for row in alpha],
        )
    return diagnoses


def with_history(
    diagnoses: Mapping[str, Diagnosis], history: Leaders, cell: CellSpace, since: int, iteration: int
) -> dict[str, Diagnosis]:
    """Return diagnoses with the operations of decided edges, and with the stability of all leaders.

    Args:
        diagnoses: state of all cell kinds now.
        history: leaders so far.
        cell: cell space of the phase.
        since: last iteration before the architecture of the phase is trained.
        iteration: iteration of the diagnoses; both are counted over the whole run.
    """
    followed = {}
    for kind, diagnosis in diagnoses.items():
        pairs = zip(diagnosis.leaders, cell.edges, strict=True)
        leaders = [name or history.decided(kind, edge) for name, edge in pairs]
        earlier = [history.before(iteration, since, kind, number) for number in range(len(leaders))]
        same = [
            all(name == leader for _, name in names)
            for names, leader in zip(earlier, leaders, strict=True)
            if names
        ]
        stability = sum(same) / len(same) if same else None
        followed[kind] = replace(diagnosis, leaders=leaders, stability=stability)
    return followed


def summary(diagnoses: Mapping[str, Diagnosis], space: Space) -> dict[str, float | None]:
    """Return columns of metrics: means over kinds, and the most skips of a kind that does not reduce."""
    entropies = [d.entropy for d in diagnoses.values() if d.entropy is not None]
    margins = [d.margin for d in diagnoses.values() if d.margin is not None]
    stabilities = [d.stability for d in diagnoses.values() if d.stability is not None]
    skips = [diagnoses[kind].skips for kind in space.skeleton.level_kinds if kind in diagnoses]
    return {
        "entropy": sum(entropies) / len(entropies) if entropies else None,
        "margin": sum(margins) / len(margins) if margins else None,
        "stability": sum(stabilities) / len(stabilities) if stabilities else None,
        "skips": float(max(skips)) if skips else None,
    }


def plain(diagnoses: Mapping[str, Diagnosis]) -> dict[str, Any]:
    """Return the diagnoses as plain data, for the event log."""
    return {kind: asdict(diagnosis) for kind, diagnosis in diagnoses.items()}


def warning(diagnoses: Mapping[str, Diagnosis], space: Space) -> str | None:
    """Return a warning if skips dominate, in one line; ``None`` otherwise."""
    for kind in space.skeleton.level_kinds:
        if kind in diagnoses and diagnoses[kind].skips >= max(2, COLLAPSED * diagnoses[kind].edges):
            return (
                f"warning: {diagnoses[kind].skips} of the {diagnoses[kind].edges} edges of {kind} cells "
                "would be skip connections: the search may be collapsing. A shorter search, a smaller "
                "`strategy.learning_rate` or another method may help; `stop_at_skips` stops in time"
            )
    return None


def _entropy(weights: list[float]) -> float:
    total = sum(weights)
    shares = [w / total for w in weights]
    return -sum(p * math.log(p) for p in shares) / math.log(len(shares))


def _lead(weights: list[float]) -> float:
    first, *rest = sorted(weights, reverse=True)
    return first - (rest[0] if rest else 0.0)
