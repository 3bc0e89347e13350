"""Long curves with fewer points, which look the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

MOST = 2000
"""Points of a curve that are all drawn."""

_PARTS = 500  # a chart is about so many pixels wide

Point = TypeVar("Point", bound=tuple[float, float])
T = TypeVar("T")


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return a curve with fewer points, where it has many: both ends, and the extremes of every stretch.

    Args:
        points: places and values, in order.
    """
    if len(points) <= MOST:
        return list(points)
    kept = {0, len(points) - 1}
    for part in range(_PARTS):
        stretch = range(part * len(points) // _PARTS, (part + 1) * len(points) // _PARTS)
        kept |= {edge(stretch, key=lambda place: points[place][1]) for edge in (min, max)}
    return [points[place] for place in sorted(kept)]


def some_of(states: Sequence[T], most: int) -> list[T]:
    """Return about so many of some states, evenly; the first and the last are among them."""
    if len(states) <= most:
        return list(states)
    return [states[place * (len(states) - 1) // (most - 1)] for place in range(most)]
