"""The colours of the drawings: one fixed palette.

Hue tells the family of an operation, shade its size. The colours were chosen so that any two operations of
one space that are of different families stay apart for normal sight and in the three kinds of colour
blindness, and that each can be read as text on white (the tests hold both). Within a family they differ for
normal sight; ``none`` is told by its dotted line. Colour only helps: the name stands on the edge.
"""

from __future__ import annotations

UNDECIDED = "#8a8a8a"
CONCAT = "#a6a6a6"
UNKNOWN = "#333333"
NEW = "#fff0a8"
"""Behind what has just been decided."""

STATE_FILL = {"input": "#d9d9d9", "node": "#bcd7ee", "output": "#f7c6d5"}
STATE_LINE = {"input": "#8c8c8c", "node": "#4d86b8", "output": "#c2668a"}

_IDENTITY = "#161616"
_POOLING = ("#238272", "#154d43")
_SEPARABLE = ("#0f3cbf", "#071e5e", "#2f6bdf")
_DILATED = ("#a74705", "#552402")
_DENSE = ("#c4019b", "#a30081")
_SEPARABLE_3D = ("#c4019b", "#9840a4")
_CHANNELS = ("#857000", "#5c4e00")

OPERATION_COLOURS: dict[str, str] = {
    "none": "#757575",
    "skip_connect": _IDENTITY,
    "max_pool_3x3": _POOLING[0],
    "avg_pool_3x3": _POOLING[1],
    "max_pool_1x3x3": _POOLING[0],
    "avg_pool_1x3x3": _POOLING[1],
    "max_pool_3x3x3": _POOLING[1],
    "sep_conv_3x3": _SEPARABLE[0],
    "sep_conv_5x5": _SEPARABLE[1],
    "sep_conv_7x7": _SEPARABLE[2],
    "sep_conv_1x3x3": _SEPARABLE[0],
    "sep_conv_1x5x5": _SEPARABLE[1],
    "dil_conv_3x3": _DILATED[0],
    "dil_conv_5x5": _DILATED[1],
    "dil_conv_1x3x3": _DILATED[0],
    "dil_conv_1x5x5": _DILATED[1],
    "sep3d_conv_3x3x3": _SEPARABLE_3D[0],
    "sep3d_conv_3x5x5": _SEPARABLE_3D[1],
    "dil3d_conv_3x3x3": _DILATED[1],
    "conv_7x1_1x7": _DENSE[0],
    "nor_conv_1x1": _DENSE[0],
    "nor_conv_3x3": _DENSE[1],
    "channel_scale": _CHANNELS[0],
    "channel_bias": _CHANNELS[1],
}


def colour_of(operation: str | None) -> str:
    """Return the colour of an operation as ``#rrggbb``; operations that are not known share one."""
    if operation is None:
        return UNDECIDED
    return OPERATION_COLOURS.get(operation, UNKNOWN)
