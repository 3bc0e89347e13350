"""The network of a training, as options of commands that describe networks."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from autodas.cli._detector_model import names_detector
from autodas.cli._settings import SkeletonConfig
from autodas.runs.folder import MODEL


def own_network(reference: str) -> dict[str, Any]:
    """Return genotype or name, skeleton or width, input and outputs of a trained network.

    Args:
        reference: what a command was given; nothing is returned unless it is the run folder of a training of
            something other than a detector.
    """
    if not os.path.isfile(Path(reference) / MODEL) or names_detector([reference]):
        return {}
    from autodas.networks import HandcraftedBlueprint
    from autodas.training.model_file import load_model

    _, facts = load_model(reference)
    network = facts.blueprint
    shared = {
        "classes": facts.task.outputs,
        "channels": facts.channels,
        "image_size": facts.image_size,
        "frames": facts.frames,
    }
    if isinstance(network, HandcraftedBlueprint):
        return {"genotype": network.name, "width": network.width, **shared}
    sizes = {each.name: getattr(network.skeleton, each.name) for each in fields(SkeletonConfig)}
    return {"skeleton": SkeletonConfig(**sizes), **shared}
