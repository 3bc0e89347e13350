"""What a search costs: multiply-adds of supernets."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from autodas.networks import multiply_adds_by_module
from autodas.spaces import Alive, Space
from autodas.supernet import Supernet, mixture_of


def supernet_multiply_adds(
    space: Space,
    alive: Mapping[str, Alive],
    *,
    classes: int,
    channels: int,
    image_size: int,
    frames: int | None = None,
    partial_channels: int = 1,
) -> int:
    """Return the multiply-adds of a forward pass over one picture, with only some candidates alive.

    Args:
        space: what the supernet is built for.
        alive: the candidates that are computed.
        classes: number of classes.
        channels: channels of the picture.
        image_size: its height and width.
        frames: of a clip, by default those of the skeleton; of pictures there are none.
        partial_channels: one channel in so many goes through the candidates.
    """
    with torch.device("meta"):
        supernet = Supernet(space, classes=classes, channels=channels, partial_channels=partial_channels)
        picture = torch.empty(1, channels, *space.skeleton.input_size(image_size, frames))
        mixture = mixture_of(alive, "meta")
    return multiply_adds_by_module(supernet, picture, mixture)[""]
