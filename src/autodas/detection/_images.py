"""Images with boxes, and the checks that every source of them has to pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from autodas.errors import AutodasError


class RawBox(NamedTuple):
    """Box as in its file.

    Args:
        name: name of the class.
        corners: left, top, right and bottom edge in pixels, from the left and the top edge of the image.
        ignored: whether it neither counts as found nor as missed: objects that are marked as difficult
            (Pascal VOC), or groups of them (COCO).
    """

    name: str
    corners: tuple[float, float, float, float]
    ignored: bool = False


class RawImage(NamedTuple):
    """Image with boxes as in its files.

    Args:
        key: name that is independent of where the data are.
        path: the image file.
        where: the file with the boxes, and the place in it, for messages.
        width, height: size in pixels, as annotated.
        boxes: the boxes; images without any are background.
    """

    key: str
    path: str
    where: str
    width: int
    height: int
    boxes: tuple[RawBox, ...]


class Annotations(Protocol):
    """A source of images with boxes."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""

    def classes(self, split: str) -> tuple[str, ...] | None:
        """Return the classes that a split declares; ``None`` if it has those of its boxes."""

    def images(self, split: str) -> Sequence[Callable[[], RawImage]]:
        """Return a function for each image, which raises AutodasError if its annotation is wrong."""


@dataclass(frozen=True)
class AnnotatedImage:
    """Image with boxes that have been checked.

    Args:
        key, path, where, width, height: as of :class:`RawImage`.
        boxes: float64 (N, 4): left, top, right and bottom edge in pixels, inside the image.
        labels: int64 (N,), numbers of the classes.
        ignored: bool (N,), as of :class:`RawBox`.
    """

    key: str
    path: str
    where: str
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray


def checked_image(raw: RawImage, numbers: Mapping[str, int]) -> tuple[AnnotatedImage, int]:
    """Return an image with its boxes clipped to it, and how many had to be clipped.

    Args:
        raw: the image.
        numbers: number of each class.

    Raises:
        AutodasError: if its size or one of its boxes is impossible; the message names the file.
        UnknownClassError: if a class is unknown.
    """
    if raw.width < 1 or raw.height < 1:
        raise AutodasError(f"{raw.where}: an image of {raw.width} x {raw.height} pixels is impossible")
    clipped, boxes = 0, []
    for box in raw.boxes:
        if box.name not in numbers:
            raise UnknownClassError(
                f"{raw.where}: class '{box.name}' is unknown; known: {', '.join(numbers)}"
            )
        inside = _inside(box, raw)
        clipped += inside != box.corners
        boxes.append(inside)
    return (
        AnnotatedImage(
            raw.key,
            raw.path,
            raw.where,
            raw.width,
            raw.height,
            np.array(boxes, dtype=np.float64).reshape(-1, 4),
            np.array([numbers[box.name] for box in raw.boxes], dtype=np.int64),
            np.array([box.ignored for box in raw.boxes], dtype=bool),
        ),
        clipped,
    )


class UnknownClassError(AutodasError):
    """Class that is not among the known ones."""


def _inside(box: RawBox, raw: RawImage) -> tuple[float, float, float, float]:
    """Return a box clipped to its image."""
    left, top, right, bottom = box.corners
    shown = f"box of '{box.name}' ({', '.join(f'{value:g}' for value in box.corners)})"
    if not all(map(math.isfinite, box.corners)):
        raise AutodasError(f"{raw.where}: the {shown} has an edge that is not a finite number")
    if not (left < right and top < bottom):
        raise AutodasError(
            f"{raw.where}: the {shown} has no area: its right and bottom edges must lie beyond the others"
        )
    inside = (max(0.0, left), max(0.0, top), min(right, float(raw.width)), min(bottom, float(raw.height)))
    if not (inside[0] < inside[2] and inside[1] < inside[3]):
        raise AutodasError(
            f"{raw.where}: the {shown} lies outside the image of {raw.width} x {raw.height} pixels"
        )
    return inside


def chosen_split(splits: Sequence[str], name: str | None, usual: Sequence[str], where: str) -> str:
    """Return the split that is meant: the named one, else the first of the usual ones that there is.

    A name also stands for a single split that begins with it, such as ``train`` for ``train2017``.

    Raises:
        AutodasError: if there is none, or the name stands for several.
    """
    for wanted in (name,) if name is not None else usual:
        if wanted in splits:
            return wanted
        longer = [split for split in splits if split.startswith(wanted)]
        if len(longer) == 1:
            return longer[0]
        if len(longer) > 1:
            raise AutodasError(f"{where}: split '{wanted}' may be any of {', '.join(longer)}: choose one")
    wanted = f"'{name}'" if name is not None else " or ".join(f"'{each}'" for each in usual)
    raise AutodasError(f"{where}: has no split {wanted}; there are: {', '.join(splits) or 'none'}")
