"""References to networks for other libraries: architectures, and trained networks with their weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import (
    Blueprint,
    CellBlueprint,
    HandcraftedBlueprint,
    HandcraftedNetwork,
    Network,
    means_handcrafted,
    read_blueprint,
)
from autodas.runs.folder import MODEL
from autodas.spaces import Skeleton, get_skeleton, validate
from autodas.training.model_file import ModelFacts, load_model
from autodas.zoo import load_genotype

Source = str | Path | Mapping[str, Any] | Genotype | Blueprint
"""Reference to a network: a path, a name, plain data, or an object."""


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Args:
        network: the network with its weights, in evaluation mode.
        facts: the facts about it.
        file: its model file.
    """

    network: Network | HandcraftedNetwork
    facts: ModelFacts
    file: Path


@dataclass(frozen=True)
class Resolved:
    """Network that a reference names.

    Args:
        blueprint: its blueprint.
        trained: the trained network, if the reference names one.
    """

    blueprint: Blueprint
    trained: Trained | None = None


def resolve(
    source: Source,
    skeleton: str | None = None,
    K: int | None = None,
    C1: int | None = None,
    C2: int | None = None,
) -> Resolved:
    """Return the network that a reference names.

    Args:
        source: a trained network (run folder of ``autodas train``, or model file), a genotype in any form
            that :func:`autodas.load_genotype` accepts, the name of a hand-crafted network, a
            :class:`~autodas.Genotype`, a blueprint, or the plain data of the last two.
        skeleton: skeleton for a genotype, by default one that is designed for large inputs: ``nasbench201``
            for its genotypes, ``video`` for those with cells for clips, ``imagenet`` for the others.
        K: normal cells in each stage of that skeleton, by default its own number, as for the following.
        C1: channels of the stem's first convolution.
        C2: nominal channels of the first cell's output.

    Raises:
        AutodasError: if there is no such network, or a skeleton is given for one that has its own.
    """
    own: Blueprint | None = None
    trained = None
    if isinstance(source, CellBlueprint | HandcraftedBlueprint):
        own = source
    elif isinstance(source, Mapping) and not {"skeleton", "handcrafted"}.isdisjoint(source):
        own = read_blueprint(source, "blueprint")
    elif isinstance(source, str | Path) and is_trained(source):
        trained = _load(source)
        own = trained.facts.blueprint
    elif isinstance(source, str | Path) and means_handcrafted(str(source)):
        own = HandcraftedBlueprint(str(source))
    sizes = {"skeleton": skeleton, "K": K, "C1": C1, "C2": C2}
    if own is not None:
        given = [name for name, value in sizes.items() if value is not None]
        if given:
            raise AutodasError(f"{given[0]} is for genotypes, and this network has its own: leave it out")
        return Resolved(own, trained)
    genotype = _genotype(source)
    stacked = get_skeleton(skeleton) if skeleton is not None else default_skeleton(genotype)
    return Resolved(CellBlueprint(genotype, stacked.with_size(K, C1, C2)))


def default_skeleton(genotype: Genotype) -> Skeleton:
    """Return the skeleton that a genotype is designed for, in its size for large inputs."""
    if genotype.space == "nasbench201":
        return get_skeleton("nasbench201")
    return get_skeleton("video" if "st_reduction" in genotype.cells else "imagenet")


def _genotype(source: Any) -> Genotype:
    if isinstance(source, Genotype):
        return validate(source, "genotype")
    if isinstance(source, Mapping):
        return validate(Genotype.from_dict(dict(source)), "genotype")
    if isinstance(source, str | Path):
        return load_genotype(source)
    raise AutodasError(
        f"genotype: a path, a name, a genotype or a blueprint is expected, found {type(source).__name__}"
    )


def is_trained(source: str | Path) -> bool:
    """Return whether a path is that of a trained network."""
    return str(source).endswith(".safetensors") or os.path.isfile(Path(source) / MODEL)


def _load(source: str | Path) -> Trained:
    network, facts = load_model(source)
    path = Path(source)
    return Trained(network, facts, path / MODEL if os.path.isdir(path) else path)
