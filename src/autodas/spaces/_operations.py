"""The candidate operations as data: one row each."""

from __future__ import annotations

from typing import Literal, NamedTuple

Family = Literal["none", "identity", "pooling", "separable", "dilated", "separable 3d", "dense", "channels"]


class Operation(NamedTuple):
    """One candidate operation.

    Args:
        family: family of similar operations, which share a hue in drawings.
        shade: distinguishes operations of a family that occur in one space.
        images_only: whether it cannot be built for maps of three dimensions.
    """

    family: Family
    shade: int = 0
    images_only: bool = False


OPERATIONS: dict[str, Operation] = {
    "none": Operation("none"),
    "skip_connect": Operation("identity"),
    "max_pool_3x3": Operation("pooling", 0, images_only=True),
    "avg_pool_3x3": Operation("pooling", 1, images_only=True),
    "sep_conv_3x3": Operation("separable", 0, images_only=True),
    "sep_conv_5x5": Operation("separable", 1, images_only=True),
    "sep_conv_7x7": Operation("separable", 2, images_only=True),
    "dil_conv_3x3": Operation("dilated", 0, images_only=True),
    "dil_conv_5x5": Operation("dilated", 1, images_only=True),
    "conv_7x1_1x7": Operation("dense", 0, images_only=True),
    "nor_conv_1x1": Operation("dense", 0, images_only=True),
    "nor_conv_3x3": Operation("dense", 1, images_only=True),
    # For clips: windows are frames x height x width.
    "max_pool_1x3x3": Operation("pooling", 0),
    "avg_pool_1x3x3": Operation("pooling", 1),
    "max_pool_3x3x3": Operation("pooling", 1),
    "sep_conv_1x3x3": Operation("separable", 0),
    "sep_conv_1x5x5": Operation("separable", 1),
    "dil_conv_1x3x3": Operation("dilated", 0),
    "dil_conv_1x5x5": Operation("dilated", 1),
    "sep3d_conv_3x3x3": Operation("separable 3d", 0),
    "sep3d_conv_3x5x5": Operation("separable 3d", 1),
    "dil3d_conv_3x3x3": Operation("dilated", 1),
    "channel_scale": Operation("channels", 0),
    "channel_bias": Operation("channels", 1),
}
"""Operations by name; ``autodas.operations`` builds them."""
