"""Checks that a network and its data are both for images, or both for videos."""

from __future__ import annotations

from collections.abc import Sequence

from autodas.data import ImageDataset
from autodas.errors import AutodasError
from autodas.networks import Blueprint, CellBlueprint
from autodas.spaces import SKELETONS, Space, get_space, space_names

_NAMED = 5


def check_space(dataset: ImageDataset, space: Space) -> None:
    """Check that the networks of a space fit the data.

    Args:
        dataset: images or videos.
        space: the search space.

    Raises:
        AutodasError: if one is for images and the other for videos; the message names spaces that fit.
    """
    if space.skeleton.dimensions != _dimensions(dataset):
        fitting = [n for n in space_names() if get_space(n).skeleton.dimensions == _dimensions(dataset)]
        raise _refusal(dataset, f"space '{space.name}'", "`space.name`", fitting)


def check_blueprint(dataset: ImageDataset, blueprint: Blueprint) -> None:
    """Check that a network to be built fits the data.

    Args:
        dataset: images or videos.
        blueprint: the blueprint of the network.

    Raises:
        AutodasError: if one is for images and the other for videos; the message names skeletons that fit.
    """
    if blueprint.dimensions == _dimensions(dataset):
        return
    if isinstance(blueprint, CellBlueprint):
        fitting = [n for n, skeleton in SKELETONS.items() if skeleton.dimensions == _dimensions(dataset)]
        raise _refusal(dataset, f"skeleton '{blueprint.skeleton.name}'", "`skeleton.name`", fitting)
    raise AutodasError(
        f"{dataset.name} holds {dataset.what}, but network '{blueprint.name}' is for videos: "
        "choose a data set of videos with `data`"
    )


def _dimensions(dataset: ImageDataset) -> int:
    return 2 if dataset.clips is None else 3


def _refusal(dataset: ImageDataset, chosen: str, option: str, fitting: Sequence[str]) -> AutodasError:
    other = "images" if dataset.what == "videos" else "videos"
    named = ", ".join(fitting[:_NAMED]) + (", ..." if len(fitting) > _NAMED else "")
    return AutodasError(
        f"{dataset.name} holds {dataset.what}, but {chosen} is for {other}: choose one for {dataset.what} "
        f"with {option} ({named})"
    )
