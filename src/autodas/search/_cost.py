"""Cost of a search: multiply-adds of supernets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from autodas.genotype import Genotype
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
    cells: Genotype | None = None,
) -> int:
    """Return the multiply-adds of a forward pass of one sample, with only the given candidates alive.

    Args:
        space: space of the supernet.
        alive: candidates that are computed.
        task: task of the network.
        shape: shape of the sample; for videos without frames the clip is that of the skeleton.
        partial_channels: K, if 1/K of the channels pass through the candidates.
        cells: the given cells, if stage graphs are searched.
    """
    with torch.device("meta"):
        supernet = Supernet(
            space,
            classes=task.outputs,
            channels=shape.channels,
            partial_channels=partial_channels,
            cells=cells,
        )
        size = space.skeleton.input_size(shape.image_size, shape.frames)
        sample = torch.empty(1, shape.channels, *size)
        mixture = mixture_of(alive, "meta")
    return multiply_adds_by_module(supernet, sample, mixture)[""]
