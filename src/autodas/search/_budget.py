"""What a search costs: multiply-adds of supernets, and memory before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from autodas.networks import count_parameters, multiply_adds_by_module
from autodas.spaces import Space
from autodas.supernet import Alive, Supernet, mixture_of


def supernet_multiply_adds(
    space: Space, alive: Mapping[str, Alive], *, classes: int, channels: int, image_size: int
) -> int:
    """Return the multiply-adds of a forward pass over one picture, with only some candidates alive.

    Args:
        space: what the supernet is built for.
        alive: the candidates that are computed.
        classes: number of classes.
        channels: channels of the picture.
        image_size: its height and width.
    """
    with torch.device("meta"):
        supernet = Supernet(space, classes=classes, channels=channels)
        picture = torch.empty(1, channels, *(image_size,) * space.skeleton.dimensions)
        mixture = mixture_of(alive, "meta")
    return multiply_adds_by_module(supernet, picture, mixture)[""]


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that the first, dearest iteration of a search needs, beyond what Python and torch take.

    Attributes:
        parameters: weights, gradients and momentum.
        activations: what is kept for the backward pass of the architecture step.
    """

    parameters: int
    activations: int

    @property
    def total(self) -> int:
        """Bytes altogether."""
        return self.parameters + self.activations


def estimate_memory(
    space: Space,
    alive: Mapping[str, Alive],
    *,
    classes: int,
    channels: int,
    image_size: int,
    batch_size: int,
    engine: str = "reference",
) -> MemoryEstimate:
    """Estimate memory by running one iteration's forward pass on tensors without data.

    Everything that autograd would keep is added up, each storage once.
    """
    kept: dict[int, int] = {}
    holders = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in kept:
            # Held so that no later storage gets the same address.
            holders.append(tensor)
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.device("meta"):
        supernet = Supernet(space, classes=classes, channels=channels, engine=engine)
        mixture = mixture_of(alive, "meta")
        for cell in mixture.values():
            cell.weights.requires_grad_()
        pictures = torch.empty(batch_size, channels, *(image_size,) * space.skeleton.dimensions)
        labels = torch.empty(batch_size, dtype=torch.int64)
        own = {p.untyped_storage()._cdata for p in supernet.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            F.cross_entropy(supernet(pictures, mixture), labels)
    activations = sum(size for storage, size in kept.items() if storage not in own)
    return MemoryEstimate(3 * 4 * count_parameters(supernet), activations)
