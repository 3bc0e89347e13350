"""Networks as arguments of commands: a genotype, or the name of a hand-crafted network."""

from __future__ import annotations

from autodas.cli._settings import SkeletonConfig
from autodas.errors import AutodasError
from autodas.networks import Blueprint, CellBlueprint, HandcraftedBlueprint, means_handcrafted
from autodas.networks.handcrafted import WIDTH
from autodas.zoo import load_genotype


def blueprint_of(reference: str, skeleton: SkeletonConfig, width: float | None) -> Blueprint:
    """Return the blueprint of a network.

    Args:
        reference: genotype in any form that commands accept, or the name of a hand-crafted network.
        skeleton: how the cells of a genotype are stacked; ignored for hand-crafted networks.
        width: width of a hand-crafted network; ``None`` for the default.

    Raises:
        AutodasError: if the reference is unknown, or a width is given for a genotype.
    """
    if means_handcrafted(reference):
        return HandcraftedBlueprint(reference, WIDTH if width is None else width)
    genotype = load_genotype(reference)
    if width is not None:
        raise AutodasError("--width is for hand-crafted networks; set the width of cells with --skeleton.C2")
    from autodas.cli._setup import skeleton_of

    return CellBlueprint(genotype, skeleton_of(skeleton))
