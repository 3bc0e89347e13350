"""Trained weights as the start of another training: longer clips, other classes, optical flow, videos."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.networks import Blueprint, HandcraftedBlueprint, HandcraftedNetwork, Network
from autodas.training.model_file import ModelFacts, load_model

_TEMPORAL = ".temporal.weight"
_HEADS = ("classifier.", "auxiliary.")


def start_from(network: Network | HandcraftedNetwork, facts: ModelFacts, path: str) -> str:
    """Load trained weights into a network; return a description in one line.

    - Networks of the same kind: weights are copied. Their sizes do not depend on the length of clips, so
      training with 16 frames can continue with 32, 64 or 128 (SDAS, section 7.3).
    - From images to videos: the 2-D kernels become kernels of one frame, temporal kernels are zero. As they
      are parallel to the spatial ones, both networks give the same logits on a clip of identical frames (our
      choice; the paper only states that 2-D kernels are learnt on images first).
    - A different number of channels (optical flow has 2): the first convolution takes the mean over its input
      channels, scaled by the ratio of their numbers, so that the sum over channels is preserved.
    - Different classes, or another task: the classifier and the auxiliary head keep their new weights.

    Args:
        network: network built from ``facts``.
        facts: facts of the network.
        path: a model file or a run folder.

    Raises:
        AutodasError: if there are no such weights, or they are of a different architecture or size.
    """
    trained, source = load_model(path)
    own, other = facts.blueprint, source.blueprint
    _check(own, other, path)
    heads = _share_head(facts, source)
    given = trained.state_dict()
    state = network.state_dict()
    first = next(name for name, tensor in state.items() if tensor.dim() > 2)
    # A temporal convolution may be parallel to it, with the same input channels.
    first_pair = (first, first.replace(".spatial.", ".temporal."))
    taken = {}
    for name, fresh in state.items():
        if name.startswith(_HEADS) and (not heads or name not in given):
            taken[name] = fresh
        elif name in given:
            taken[name] = _fitted(given[name], fresh, name in first_pair, f"{path}: '{name}'")
        elif name.endswith(_TEMPORAL) and own.dimensions > other.dimensions:
            taken[name] = torch.zeros_like(fresh)
        else:
            raise AutodasError(f"{path}: its network has no '{name}', so its weights do not fit")
    unused = [name for name in given if name not in state and not name.startswith(_HEADS)]
    if unused:
        raise AutodasError(f"{path}: this network has no '{unused[0]}', so its weights do not fit")
    network.load_state_dict(taken)
    if heads:
        facts.task.begin(network)
    differ = "tasks" if source.classes == facts.classes else "classes"
    fresh_head = "" if heads else f"; the classifier is new, because the {differ} differ"
    kernels = "; its temporal kernels are zero" if own.dimensions > other.dimensions else ""
    return f"weights of {path}{kernels}{fresh_head}"


def _share_head(own: ModelFacts, other: ModelFacts) -> bool:
    """Return whether the outputs of two networks mean the same; vectors do for any identities."""
    if type(own.task) is not type(other.task):
        return False
    if own.task.name == "embedding":
        return own.task.outputs == other.task.outputs
    return own.classes == other.classes


def _check(own: Blueprint, other: Blueprint, path: str) -> None:
    """Check that two networks have the same layers, of the same sizes."""
    if not own.shares_weights_with(other):
        raise AutodasError(
            f"{path}: its network has a different architecture ('{other.name}', this one is '{own.name}'), "
            "so its weights do not fit"
        )
    if own.dimensions < other.dimensions:
        raise AutodasError(
            f"{path}: its network is for videos and this one for images: weights can only be taken from "
            "images to videos"
        )
    twins = own.dimensions > other.dimensions
    for (name, ours), (_, theirs) in zip(_sizes(own, twins), _sizes(other, twins), strict=True):
        if ours != theirs:
            raise AutodasError(
                f"{path}: its network was built with {name}={theirs}, this one with {name}={ours}, so "
                f"its weights do not fit: choose `{name}={theirs}`"
            )


def _sizes(blueprint: Blueprint, twins: bool) -> list[tuple[str, Any]]:
    """Return the options that determine the sizes of layers; the skeletons of twins have different names."""
    if isinstance(blueprint, HandcraftedBlueprint):
        return [("width", blueprint.width)]
    names = ("K", "C1", "C2", "pool_norm") if twins else ("name", "K", "C1", "C2", "pool_norm")
    return [(f"skeleton.{name}", getattr(blueprint.skeleton, name)) for name in names]


def _fitted(weight: Tensor, fresh: Tensor, first: bool, where: str) -> Tensor:
    """Return a weight in the shape of the one that it replaces; the first convolution fits any channels."""
    if weight.dim() == 4 and fresh.dim() == 5:
        weight = weight.unsqueeze(2)
    if first and weight.shape[1] != fresh.shape[1]:
        before, after = weight.shape[1], fresh.shape[1]
        weight = weight.mean(1, keepdim=True).expand(-1, after, *weight.shape[2:]) * (before / after)
    if weight.shape != fresh.shape:
        raise AutodasError(
            f"{where} has shape {tuple(weight.shape)}, this network needs {tuple(fresh.shape)}, so its "
            "weights do not fit"
        )
    return weight
