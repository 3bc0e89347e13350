"""What a search costs: multiply-adds of supernets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from autodas.loop import InputShape
from autodas.loop.tasks import Task
from autodas.networks import multiply_adds_by_module
from autodas.spaces import Alive, Space
from autodas.supernet import Supernet, mixture_of


def supernet_multiply_adds(
    space: Space,
    alive: Mapping[str, Alive],
    *,
    task: Task[Any],
    shape: InputShape,
    partial_channels: int = 1,
) -> int:
    """Return the multiply-adds of a forward pass over one picture, with only some candidates alive.

    Args:
        space: what the supernet is built for.
        alive: the candidates that are computed.
        task: what is asked of the network.
        shape: of the picture; of videos without frames the clip is that of the skeleton.
        partial_channels: one channel in so many goes through the candidates.
    """
    with torch.device("meta"):
        supernet = Supernet(
            space, classes=task.outputs, channels=shape.channels, partial_channels=partial_channels
        )
        size = space.skeleton.input_size(shape.image_size, shape.frames)
        picture = torch.empty(1, shape.channels, *size)
        mixture = mixture_of(alive, "meta")
    return multiply_adds_by_module(supernet, picture, mixture)[""]
