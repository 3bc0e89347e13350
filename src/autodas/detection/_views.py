"""Images as a detector sees them: stretched to a square, and augmented together with their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL.Image import Image
from torch import Tensor

from autodas.data.augmentation._random import integers, uniform
from autodas.data.pixels._views import box_view
from autodas.detection_options import BoxAugmentation

# Further numbers belong to the jitter of colours.
_FLIP, _SCALE, _LEFT, _TOP = 32, 33, 34, 35

VISIBLE = 0.3
"""Boxes of which a smaller share of the area is left after a crop are dropped (our choice)."""


class View(NamedTuple):
    """An image as a detector sees it.

    Args:
        pixels: uint8 (S, S, 3).
        boxes: float64 (N, 4): left, top, right and bottom edge as shares of the sides, in 0..1.
        kept: bool (M,), which of the M boxes of the image are left.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    kept: np.ndarray


def evaluation_view(image: Image, size: int) -> np.ndarray:
    """Return an image in RGB stretched to a square, as RT-DETR reads it, uint8 (S, S, 3)."""
    return box_view(image, (0, 0, image.height, image.width), size)


def training_view(
    image: Image,
    boxes: np.ndarray,
    key: Tensor,
    augmentation: BoxAugmentation,
    *,
    size: int,
    colour: Sequence[float],
) -> View:
    """Return a part of an image, stretched to a square and perhaps mirrored, with its boxes.

    The sides of the part are those of the image times a factor s, uniform in 1 - j to 1 + j for a jitter j.
    For s < 1 the part lies anywhere inside the image; for s > 1 the image lies anywhere inside the part, the
    rest of which has one colour.

    Args:
        image: the image, in RGB.
        boxes: float64 (M, 4): left, top, right and bottom edge in pixels.
        key: int64 (1,), from ``sample_keys``: all random numbers follow from it.
        augmentation: what is done; colours are not changed here.
        size: side S of the result.
        colour: colour of what is beyond the image, for values from 0 to 1.
    """
    width, height = image.size
    scale, across, down = (float(uniform(key, stream)) for stream in (_SCALE, _LEFT, _TOP))
    scale = 1 + augmentation.scale_jitter * (2 * scale - 1)
    if scale <= 1:
        left, top = across * (1 - scale) * width, down * (1 - scale) * height
        shown = box_view(image, (top, left, scale * height, scale * width), size)
        moved = (boxes - [left, top, left, top]) / ([scale * width, scale * height] * 2)
    else:
        inner = max(1, round(size / scale))
        x, y = round(across * (size - inner)), round(down * (size - inner))
        shown = np.empty((size, size, 3), np.uint8)
        shown[:] = np.rint(255 * np.asarray(colour)).astype(np.uint8)
        shown[y : y + inner, x : x + inner] = box_view(image, (0, 0, height, width), inner)
        moved = ([x, y, x, y] + inner * boxes / ([width, height] * 2)) / size
    if augmentation.flip and int(integers(key, _FLIP, 2)):
        shown = shown[:, ::-1]
        moved = np.stack([1 - moved[:, 2], moved[:, 1], 1 - moved[:, 0], moved[:, 3]], axis=1)
    clipped = moved.clip(0, 1)
    kept = _areas(clipped) >= VISIBLE * _areas(moved)
    return View(shown, clipped[kept], kept)


def _areas(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
