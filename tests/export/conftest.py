from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from autodas.data import Clips
from autodas.genotype import Genotype
from autodas.networks import CellBlueprint, HandcraftedBlueprint
from autodas.spaces import get_skeleton
from autodas.training.model_file import ModelFacts
from autodas.user_code import allow_code
from autodas.zoo import load_genotype

CLIP_GENOTYPE = Path(__file__).parents[2] / "docs/genotypes/oadv_example.json"
IMAGES = ModelFacts(
    CellBlueprint(load_genotype("darts_v2"), get_skeleton("cifar").with_size(0, 4, 8)),
    ("ant", "bee", "größer"),
    3,
    16,
    (0.4, 0.5, 0.6),
    (0.2, 0.25, 0.3),
)
CLIPS = replace(
    IMAGES,
    blueprint=CellBlueprint(Genotype.load(CLIP_GENOTYPE), get_skeleton("video").with_size(0, 4, 8)),
    clips=Clips(4),
)


def trained(facts: ModelFacts) -> nn.Module:
    """Return a network whose running statistics are those of some inputs."""
    torch.manual_seed(0)
    network: nn.Module = facts.build()
    frames = () if facts.frames is None else (facts.frames,)
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(16, facts.channels, *frames, facts.image_size, facts.image_size))
    return network.eval()


Network = tuple[nn.Module, ModelFacts]


@pytest.fixture(scope="session")
def images() -> Network:
    """A network for images."""
    return trained(IMAGES), IMAGES


@pytest.fixture(scope="session")
def clips() -> Network:
    """A network for clips."""
    return trained(CLIPS), CLIPS


@pytest.fixture(scope="session")
def others() -> Callable[[str], Network]:
    """Networks of other kinds by name: with stage graphs, hand-crafted."""

    def build(name: str) -> Network:
        if name == "hdas":
            skeleton = get_skeleton("cifar").with_size(0, 4, 8)
            blueprint = CellBlueprint(load_genotype("hdas_cifar_darts_v1"), skeleton)
            facts = replace(IMAGES, blueprint=blueprint)
        else:
            facts = replace(CLIPS, blueprint=HandcraftedBlueprint(name, 0.0625), image_size=32)
        return trained(facts), facts

    return build


@pytest.fixture
def with_operation(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Network]:
    """A network with an operation of ``own_operations.py`` on one edge."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    allow_code("own_operations")

    def build(name: str) -> Network:
        plain: dict[str, Any] = load_genotype("darts_v2").to_dict() | {"space": None}
        plain["cells"]["reduction"]["nodes"][2][0][0] = f"python:own_operations:{name}"
        genotype = Genotype.from_dict(plain, "test")
        skeleton = get_skeleton("cifar").with_size(0, 4, 8)
        facts = replace(IMAGES, blueprint=CellBlueprint(genotype, skeleton))
        return trained(facts), facts

    return build
