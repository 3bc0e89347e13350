"""What a command takes as a network: a genotype, or the name of a hand-crafted one."""

from __future__ import annotations

import os
from difflib import get_close_matches

from autodas.cli._settings import SkeletonConfig
from autodas.errors import AutodasError
from autodas.networks import Blueprint, CellBlueprint, HandcraftedBlueprint, handcrafted_names
from autodas.networks.handcrafted import WIDTH
from autodas.zoo import load_genotype, zoo_names


def means_handcrafted(reference: str) -> bool:
    """Return whether a name is that of a hand-crafted network, or nearer to one than to those of the zoo.

    A path that exists goes before a name, as everywhere.
    """
    names = handcrafted_names()
    if os.path.exists(reference):
        return False
    return any(name in names for name in get_close_matches(reference, [*names, *zoo_names()], n=1))


def blueprint_of(reference: str, skeleton: SkeletonConfig, width: float | None) -> Blueprint:
    """Return what a network is built from.

    Args:
        reference: a genotype, in every form that commands take, or the name of a hand-crafted network.
        skeleton: how the cells of a genotype are stacked; a hand-crafted network has none.
        width: of a hand-crafted network; ``None`` for the default.

    Raises:
        AutodasError: if there is no such thing, or a width is given for a genotype.
    """
    if means_handcrafted(reference):
        return HandcraftedBlueprint(reference, WIDTH if width is None else width)
    genotype = load_genotype(reference)
    if width is not None:
        raise AutodasError("--width belongs to hand-crafted networks; a genotype's follows --skeleton.C2")
    from autodas.cli._setup import skeleton_of

    return CellBlueprint(genotype, skeleton_of(skeleton))
