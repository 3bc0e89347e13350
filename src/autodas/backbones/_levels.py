"""Levels of a network: the last map of each size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from autodas.errors import AutodasError
from autodas.networks import Blueprint

_SIDE = 256
"""Side of the input that is measured, in each dimension: a multiple of every stride."""


@dataclass(frozen=True)
class Level:
    """Level of a network: the last of its maps of one size.

    Args:
        number: number of the map among all maps of the network, in order.
        channels: channels of the map.
        stride: factor, along each dimension, by which the map is smaller than the input.
    """

    number: int
    channels: int
    stride: tuple[int, ...]


def levels_of(blueprint: Blueprint) -> tuple[Level, ...]:
    """Return the levels of a network, from the largest map to the smallest.

    The maps are the outputs of the stem and of all cells (blocks, stage graphs), or of the stages of a
    hand-crafted network. Their sizes are those of a forward pass that allocates and computes nothing.

    Args:
        blueprint: blueprint of the network.
    """
    levels: dict[tuple[int, ...], Level] = {}
    with torch.device("meta"), torch.no_grad():
        network = blueprint.build(classes=1, channels=1).eval()
        sample = torch.empty(1, 1, *(_SIDE,) * blueprint.dimensions)
        for number, features in enumerate(network.maps(sample)):
            stride = tuple(_SIDE // side for side in features.shape[2:])
            levels[stride] = Level(number, features.shape[1], stride)
    return tuple(levels.values())


def chosen(count: int, out_indices: Sequence[int] | None) -> tuple[int, ...]:
    """Return numbers of levels, counted from 0.

    Args:
        count: number of levels.
        out_indices: numbers of levels, ascending; negative ones count from the end. ``None`` chooses all.

    Raises:
        AutodasError: if a level does not exist, or they do not ascend.
    """
    if out_indices is None:
        return tuple(range(count))
    for index in out_indices:
        if not -count <= index < count:
            raise AutodasError(f"out_indices: there is no level {index}, the network has {count}, from 0")
    indices = tuple(index % count for index in out_indices)
    if not indices or list(indices) != sorted(set(indices)):
        raise AutodasError(f"out_indices={tuple(out_indices)} must name levels in ascending order, each once")
    return indices
