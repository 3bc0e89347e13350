"""Whether a network and the data are both for images, or both for videos."""

from __future__ import annotations

from autodas.data import ImageDataset
from autodas.errors import AutodasError
from autodas.networks import Blueprint, CellBlueprint
from autodas.spaces import Skeleton


def check_dimensions(dataset: ImageDataset, skeleton: Skeleton, what: str, option: str) -> None:
    """Check that a network can see the data.

    Args:
        dataset: images or videos.
        skeleton: of the network.
        what: what the user chose it by: ``"skeleton"`` or ``"space"``.
        option: the option that chooses another.

    Raises:
        AutodasError: if one is for images and the other for videos.
    """
    videos = dataset.clips is not None
    if videos == (skeleton.dimensions == 3):
        return
    made_for, other = ("images", "a video") if videos else ("videos", "an image")
    raise AutodasError(
        f"{dataset.name} holds {dataset.what}, but {what} '{skeleton.name}' is for {made_for}: "
        f"choose {other} {what} with {option}"
    )


def check_blueprint(dataset: ImageDataset, blueprint: Blueprint, what: str, option: str) -> None:
    """Check that a network that is to be built, or was, can see the data.

    Args:
        dataset: images or videos.
        blueprint: of the network.
        what: what the user chose its skeleton by.
        option: the option that chooses another.

    Raises:
        AutodasError: if one is for images and the other for videos.
    """
    if isinstance(blueprint, CellBlueprint):
        check_dimensions(dataset, blueprint.skeleton, what, option)
    elif dataset.clips is None:
        raise AutodasError(
            f"{dataset.name} holds {dataset.what}, but network '{blueprint.name}' is for videos: "
            "choose a set of videos with --data"
        )
