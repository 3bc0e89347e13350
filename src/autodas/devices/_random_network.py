"""Networks with random weights, described like trained ones."""

from __future__ import annotations

import torch

from autodas.costs import NetworkSetting
from autodas.data import Clips
from autodas.export import sample_inputs
from autodas.genotype import Genotype
from autodas.networks import Blueprint, CellBlueprint, HandcraftedNetwork, Network
from autodas.training.model_file import ModelFacts

_GREY, _CONTRAST = 0.5, 0.25


def facts_of(genotype: Genotype, setting: NetworkSetting) -> ModelFacts:
    """Return the description of the network of an architecture.

    Args:
        genotype: the architecture.
        setting: everything else about the network.
    """
    blueprint = CellBlueprint(genotype, setting.skeleton)
    return describe_network(
        blueprint,
        classes=setting.classes,
        channels=setting.channels,
        image_size=setting.image_size,
        frames=setting.skeleton.frames,
    )


def describe_network(
    blueprint: Blueprint, *, classes: int, channels: int, image_size: int, frames: int | None
) -> ModelFacts:
    """Return the description of a network that was not trained: classes have numbers as names.

    Args:
        blueprint: the network.
        classes: number of classes.
        channels: channels of the images or frames.
        image_size: their height and width.
        frames: frames of a clip; ``None`` for images.
    """
    return ModelFacts(
        blueprint,
        tuple(map(str, range(classes))),
        channels,
        image_size,
        (_GREY,) * channels,
        (_CONTRAST,) * channels,
        clips=None if frames is None else Clips(frames),
    )


def random_network(facts: ModelFacts, seed: int = 0) -> Network | HandcraftedNetwork:
    """Return a network with random weights in evaluation mode.

    Its running statistics are those of two random samples: with those of a new network, maps would shrink
    from layer to layer to numbers so small that processors compute slowly with them.

    Args:
        facts: its description.
        seed: seed of the weights.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = facts.build().train()
        norms = [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        usual = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        network(sample_inputs(facts))
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
    return network.eval()
