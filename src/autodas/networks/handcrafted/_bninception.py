"""BNInception: stages of parallel branches (Ioffe and Szegedy 2015, figure 5)."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from autodas.networks.handcrafted._layers import Concatenated, Layers


class Branches(NamedTuple):
    """Channels of a module's branches, as published; 0 if there is no such convolution.

    Args:
        single: the 1x1 convolution.
        reduce, spatial: a 1x1 convolution, then a 3x3 one.
        reduce_twice, spatial_twice: a 1x1 convolution, then two 3x3 ones.
        projection: the 1x1 convolution after a 3x3 pool.
    """

    single: int
    reduce: int
    spatial: int
    reduce_twice: int
    spatial_twice: int
    projection: int


MODULES = {
    "3a": Branches(64, 64, 64, 64, 96, 32),
    "3b": Branches(64, 64, 96, 64, 96, 64),
    "3c": Branches(0, 128, 160, 64, 96, 0),
    "4a": Branches(224, 64, 96, 96, 128, 128),
    "4b": Branches(192, 96, 128, 96, 128, 128),
    "4c": Branches(160, 128, 160, 128, 160, 128),
    "4d": Branches(96, 128, 192, 160, 192, 128),
    "4e": Branches(0, 128, 192, 192, 256, 0),
    "5a": Branches(352, 192, 320, 160, 224, 128),
    "5b": Branches(352, 192, 320, 192, 224, 128),
}
"""Modules by published name; those without a projection halve the map, and pass it through a max pool."""


def inception(layers: Layers, inputs: int, name: str) -> tuple[nn.Module, int]:
    """Return a module, and its number of output channels."""
    branches = Branches(*(n and layers.channels(n) for n in MODULES[name]))
    stride = 1 if branches.projection else 2
    parts = Concatenated()
    if branches.single:
        parts.append(layers.unit(inputs, branches.single))
    parts.append(
        nn.Sequential(
            layers.unit(inputs, branches.reduce),
            layers.unit(branches.reduce, branches.spatial, side=3, stride=stride),
        )
    )
    parts.append(
        nn.Sequential(
            layers.unit(inputs, branches.reduce_twice),
            layers.unit(branches.reduce_twice, branches.spatial_twice, side=3),
            layers.unit(branches.spatial_twice, branches.spatial_twice, side=3, stride=stride),
        )
    )
    last = nn.Sequential()
    if branches.projection and name != "5b":
        # Padded explicitly: AvgPool3d rejects maps that are smaller than its window before padding.
        last.append(nn.ZeroPad3d((1, 1, 1, 1, 0, 0))).append(nn.AvgPool3d((1, 3, 3), 1))
    else:
        last.append(nn.MaxPool3d((1, 3, 3), (1, stride, stride), (0, 1, 1)))
    if branches.projection:
        last.append(layers.unit(inputs, branches.projection))
    parts.append(last)
    outputs = branches.single + branches.spatial + branches.spatial_twice + (branches.projection or inputs)
    return parts, outputs


def bninception_stages(layers: Layers, channels: int) -> tuple[list[nn.Module], int]:
    """Return the stages of BNInception, and its number of features.

    A stage consists of the layers with maps of one size. There are four, as the first and the second
    convolution have maps of the same size without the pool between them. So time is halved after the second
    convolution and after module 3b (our choice: halving it earlier gives far too few multiply-adds).
    """
    c64, outputs = layers.channels(64), layers.channels(192)
    first = layers.unit(channels, c64, side=7, stride=2)
    stages: list[nn.Module] = [nn.Sequential(first, layers.unit(c64, c64), layers.unit(c64, outputs, side=3))]
    for names in (("3a", "3b"), ("3c", "4a", "4b", "4c", "4d"), ("4e", "5a", "5b")):
        stage = nn.Sequential()
        if names[0] == "3a":
            stage.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
        for name in names:
            module, outputs = inception(layers, outputs, name)
            stage.append(module)
        stages.append(stage)
    return stages, outputs
