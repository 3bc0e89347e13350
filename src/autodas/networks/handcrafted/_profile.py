"""Parameters and multiply-adds of a hand-crafted network."""

from __future__ import annotations

import torch

from autodas.networks._profile import Profile, StageCost, count_parameters, multiply_adds_by_module
from autodas.networks.handcrafted._network import CLIP, WIDTH, build_handcrafted


def profile_handcrafted(
    name: str,
    *,
    classes: int = 10,
    channels: int = 3,
    frames: int = CLIP[0],
    image_size: int = CLIP[1],
    width: float = WIDTH,
) -> Profile:
    """Count parameters and multiply-adds of a hand-crafted network for one clip, without allocating it.

    Args:
        name: one of :func:`handcrafted_names`.
        classes: number of classes.
        channels: channels of the clip.
        frames: its length.
        image_size: its height and width.
        width: factor on the published channels.

    Raises:
        AutodasError: as :func:`build_handcrafted`.
    """
    with torch.device("meta"):
        network = build_handcrafted(name, classes=classes, channels=channels, width=width)
        clip = torch.empty(1, channels, frames, image_size, image_size)
    counts = multiply_adds_by_module(network, clip)
    parts = {f"stage {number}": f"stages.{number - 1}" for number in range(1, len(network.stages) + 1)}
    parts["classifier"] = "classifier"
    stages = tuple(
        StageCost(part, 0, count_parameters(network.get_submodule(module)), counts[module])
        for part, module in parts.items()
    )
    parameters = count_parameters(network)
    return Profile(parameters, parameters, sum(s.multiply_adds for s in stages), stages)
