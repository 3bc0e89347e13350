"""Trained networks in model files, without a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from autodas.genotype import Genotype
from autodas.networks import CellBlueprint
from autodas.spaces import get_skeleton
from autodas.training.model_file import ModelFacts, save_model
from autodas.zoo import load_genotype

RECORDED = Path(__file__).parent / "runs" / "recorded" / "train"
"""Run folder of a training on digits: one channel, 8 x 8 pixels, 10 classes."""

VIDEO_GENOTYPE = Path(__file__).parents[1] / "docs" / "genotypes" / "oadv_example.json"


def write_images_network(folder: Path, side: int = 32, **changes: Any) -> ModelFacts:
    """Write a network for colour images, with running statistics of its own."""
    skeleton = get_skeleton("cifar").with_size(K=1, C1=8, C2=16)
    facts = ModelFacts(
        CellBlueprint(load_genotype("darts_v2"), skeleton),
        ("cat", "dog", "owl"),
        3,
        side,
        (0.4, 0.5, 0.6),
        (0.2, 0.25, 0.3),
        **changes,
    )
    return _write(folder, facts, torch.randn(8, 3, side, side))


def write_clips_network(folder: Path) -> ModelFacts:
    """Write a network for clips."""
    from autodas.data import Clips

    blueprint = CellBlueprint(Genotype.load(VIDEO_GENOTYPE), get_skeleton("video").with_size(0, 4, 8))
    facts = ModelFacts(blueprint, ("a", "b"), 3, 16, (0.5,) * 3, (0.2,) * 3, clips=Clips(8))
    return _write(folder, facts, torch.randn(4, 3, 8, 16, 16))


def _write(folder: Path, facts: ModelFacts, batch: torch.Tensor) -> ModelFacts:
    torch.manual_seed(0)
    network = facts.build().train()
    with torch.no_grad():
        network(batch)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder / "model.safetensors", network, facts)
    return facts
