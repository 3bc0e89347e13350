"""Reduction of long curves to fewer points with the same appearance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

MOST = 2000
"""Largest number of points of a curve that is drawn completely."""

_PARTS = 500  # about the width of a chart in pixels

Point = TypeVar("Point", bound=tuple[float, float])
T = TypeVar("T")


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return a curve, reduced to both ends and the extremes of every segment if it has many points.

    Args:
        points: positions and values, in order.
    """
    if len(points) <= MOST:
        return list(points)
    kept = {0, len(points) - 1}
    for part in range(_PARTS):
        stretch = range(part * len(points) // _PARTS, (part + 1) * len(points) // _PARTS)
        kept |= {edge(stretch, key=lambda place: points[place][1]) for edge in (min, max)}
    return [points[place] for place in sorted(kept)]


def some_of(states: Sequence[T], most: int) -> list[T]:
    """Return at most ``most`` evenly spaced states, including the first and the last."""
    if len(states) <= most:
        return list(states)
    return [states[place * (len(states) - 1) // (most - 1)] for place in range(most)]
