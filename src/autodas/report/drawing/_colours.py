"""Colours of the drawings: one fixed palette.

Hue encodes the family of an operation, shade its size. Any two operations of one space from different
families are distinguishable with normal vision and the three kinds of colour blindness, and each colour is
legible as text on white (tests verify both). Within a family the colours differ for normal vision; ``none``
is recognised by its dotted line. Colour is redundant: every edge is labelled with its operation.
"""

from __future__ import annotations

from autodas.spaces import OPERATIONS
from autodas.spaces._operations import Family

UNDECIDED = "#8a8a8a"
CONCAT = "#a6a6a6"
UNKNOWN = "#333333"
NEW = "#fff0a8"
"""Background of edges just decided."""

STATE_FILL = {"input": "#d9d9d9", "node": "#bcd7ee", "output": "#f7c6d5"}
STATE_LINE = {"input": "#8c8c8c", "node": "#4d86b8", "output": "#c2668a"}

_FAMILIES: dict[Family, tuple[str, ...]] = {
    "none": ("#757575",),
    "identity": ("#161616",),
    "pooling": ("#238272", "#154d43"),
    "separable": ("#0f3cbf", "#071e5e", "#2f6bdf"),
    "dilated": ("#a74705", "#552402"),
    "dense": ("#c4019b", "#a30081"),
    "separable 3d": ("#c4019b", "#9840a4"),
    "channels": ("#857000", "#5c4e00"),
}

OPERATION_COLOURS = {name: _FAMILIES[facts.family][facts.shade] for name, facts in OPERATIONS.items()}


def colour_of(operation: str | None) -> str:
    """Return the colour of an operation as ``#rrggbb``; unknown operations share one."""
    if operation is None:
        return UNDECIDED
    return OPERATION_COLOURS.get(operation, UNKNOWN)
