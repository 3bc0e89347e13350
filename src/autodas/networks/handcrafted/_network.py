"""Hand-crafted networks by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError, nearest
from autodas.limits import largest
from autodas.networks._tracing import Scriptable
from autodas.networks.handcrafted._bninception import bninception_stages
from autodas.networks.handcrafted._layers import Layers
from autodas.networks.handcrafted._resnet import resnet_stages
from autodas.networks.handcrafted._xception import xception_stages
from autodas.zoo import zoo_names

WIDTH = 0.25
"""Channels relative to the published ones: "by a factor of 4" (SDAS, section 7.1)."""

CLIP = (16, 112, 112)
"""Frames, height and width of the clips that the networks are designed for (SDAS, section 5.2)."""

Stages = tuple[list[nn.Module], int]

_FAMILIES: dict[str, Callable[[Layers, int], Stages]] = {
    "bninception": bninception_stages,
    "xception": xception_stages,
    "resnet50": partial(resnet_stages, blocks=(3, 4, 6, 3)),
    "resnet101": partial(resnet_stages, blocks=(3, 4, 23, 3)),
    "resnext50": partial(resnet_stages, blocks=(3, 4, 6, 3), cardinality=32),
    "resnext101": partial(resnet_stages, blocks=(3, 4, 23, 3), cardinality=32),
    "senet": partial(resnet_stages, blocks=(3, 4, 23, 3), cardinality=32, squeeze=True),
}
"""Factories of the stages, which also return the number of features; in the order of table 8."""

_DIMENSIONS = {"2d": False, "3d": True}
"""Whether spatial convolutions have a temporal one in parallel, by the ending of the name."""


def handcrafted_names() -> list[str]:
    """Return the names of all hand-crafted networks, such as ``resnet50-3d``."""
    return [f"{family}-{dimensions}" for dimensions in _DIMENSIONS for family in _FAMILIES]


def means_handcrafted(reference: str) -> bool:
    """Return whether a name is, or most resembles, that of a hand-crafted network rather than one of the zoo.

    An existing path takes precedence over a name, as everywhere.
    """
    names = handcrafted_names()
    if os.path.exists(reference):
        return False
    return any(name in names for name in get_close_matches(reference, [*names, *zoo_names()], n=1))


def check_handcrafted(name: str, width: float) -> None:
    """Check the name and the width of a network.

    Args:
        name: one of :func:`handcrafted_names`.
        width: factor on the published channels.

    Raises:
        AutodasError: if the name is unknown (the message suggests the nearest), or the width is not above 0.
    """
    names = handcrafted_names()
    if name not in names:
        raise AutodasError(f"unknown hand-crafted network '{name}'{nearest(name, names)}")
    if not 0 < width <= largest("width"):
        raise AutodasError(
            f"width={width} must lie above 0 and be at most {largest('width')}; 0.25 has a quarter of the "
            "published channels"
        )


class HandcraftedNetwork(Scriptable):
    """Hand-crafted network for clips: stages, then a linear classifier on the mean of the last map.

    Time is halved by a maximum after the first stage and after the second (SDAS, figure 10); for an odd
    number of frames the last one is kept alone. Build it with :func:`build_handcrafted`.

    Attributes:
        name: name such as ``resnet50-3d``.
        width: factor on the published channels.
        stages: its parts; each but the first has smaller maps or fewer frames than the one before.
        auxiliary: ``None``: there is no auxiliary head.
    """

    def __init__(self, name: str, width: float, classes: int, channels: int) -> None:
        super().__init__()
        self.name, self.width, self.classes, self.channels = name, width, classes, channels
        family, _, dimensions = name.partition("-")
        stages, features = _FAMILIES[family](Layers(_DIMENSIONS[dimensions], width), channels)
        self.stages = nn.ModuleList(stages)
        # Windows of two frames that do not overlap (our choice: the paper says "temporal max pooling").
        self.halve_time = nn.MaxPool3d((2, 1, 1), ceil_mode=True)
        self.classifier: nn.Module = nn.Linear(features, classes)
        self.auxiliary = None

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, classes).

        Args:
            x: clips of shape (batch, channels, frames, height, width), of any length and size.
        """
        for features in self.maps(x):
            last = features
        return self.classifier(last.mean((2, 3, 4)))  # type: ignore[no-any-return]

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the output of each stage in turn, after the maximum over time."""
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number < 2:
                x = self.halve_time(x)
            yield x

    def keep_maps(self, count: int) -> None:
        """Remove the classifier, and the stages after the first ``count``: what is left has only maps."""
        self.stages = self.stages[:count]
        self.classifier = nn.Identity()

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, None]:
        """Return the logits, and ``None`` for the missing auxiliary head."""
        return self(x), None

    def set_drop_path(self, rate: float | Tensor) -> None:
        """Do nothing: there are no edges to drop."""

    def use_compiled_kernels(self, enabled: bool = True) -> None:
        """Do nothing: no layer has a compiled form."""

    def to_memory_format(self) -> HandcraftedNetwork:
        """Convert to the channels-last memory format, which is faster on CPU and GPU."""
        return self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]


def build_handcrafted(
    name: str, *, classes: int = 10, channels: int = 3, width: float = WIDTH
) -> HandcraftedNetwork:
    """Build a hand-crafted network with newly initialised weights.

    Args:
        name: one of :func:`handcrafted_names`.
        classes: number of classes.
        channels: channels of the clips.
        width: factor on the published channels; 1 gives the published network. Channels are rounded.

    Raises:
        AutodasError: if the name is unknown, or the width is not above 0.
    """
    check_handcrafted(name, width)
    return HandcraftedNetwork(name, width, classes, channels).to_memory_format()
