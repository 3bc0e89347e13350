"""Centre crops and random resized crops."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from autodas.data.augmentation._colour import like
from autodas.data.augmentation._random import integers, uniform

_ATTEMPTS = 10
_FIRST_STREAM = 16
_AREA = (0.08, 1.0)
# Log-uniform on 3:4 .. 4:3 from a table: no exponential is evaluated in a batch, so the boxes do not
# depend on which vector instructions a machine has.
_RATIOS = np.array([math.exp(math.log(4 / 3) * (2 * i / 1023 - 1)) for i in range(1024)])


def centre_crop(pixels: Tensor, size: int) -> Tensor:
    """Return the middle ``size`` x ``size`` of (B, H, W, C), a view."""
    top, left = (pixels.shape[1] - size) // 2, (pixels.shape[2] - size) // 2
    return pixels[:, top : top + size, left : left + size]


def random_boxes(keys: Tensor, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return one box per image: 8 to 100 % of its area, sides 3:4 to 4:3, anywhere inside.

    Ten boxes are tried for each image; if none fits, the largest centred one of an allowed shape is taken.

    Args:
        keys: int64 (B,).
        heights, widths: sizes of the images, (B,).

    Returns:
        int64 (B, 4): top, left, height, width.
    """
    boxes = np.zeros((len(keys), 4), dtype=np.int64)
    pending = np.ones(len(keys), dtype=bool)
    for attempt in range(_ATTEMPTS):
        stream = _FIRST_STREAM + 4 * attempt
        share = uniform(keys, stream).numpy().astype(np.float64) * (_AREA[1] - _AREA[0]) + _AREA[0]
        ratio = _RATIOS[integers(keys, stream + 1, len(_RATIOS)).numpy()]
        area = share * heights * widths
        width, height = (np.rint(np.sqrt(a)).astype(np.int64) for a in (area * ratio, area / ratio))
        fits = pending & (width >= 1) & (height >= 1) & (width <= widths) & (height <= heights)
        top, left = (
            np.floor(uniform(keys, s).numpy().astype(np.float64) * np.maximum(room + 1, 1)).astype(np.int64)
            for s, room in ((stream + 2, heights - height), (stream + 3, widths - width))
        )
        boxes[fits] = np.stack([top, left, height, width], 1)[fits]
        pending &= ~fits
    for i in np.flatnonzero(pending):
        boxes[i] = _largest_box(int(heights[i]), int(widths[i]))
    return boxes


def _largest_box(height: int, width: int) -> tuple[int, int, int, int]:
    inner_width = min(width, max(1, round(height * 4 / 3)))
    inner_height = min(height, max(1, round(width * 4 / 3)))
    return (height - inner_height) // 2, (width - inner_width) // 2, inner_height, inner_width


def resized_crop(pixels: Tensor, keys: Tensor, size: int) -> Tensor:
    """Take a random box of each image and resize it, with bilinear interpolation.

    The images are hardly larger than the result, so that a low-pass filter is not necessary.

    Args:
        pixels: uint8 or float32 (B, H, W, C).
        keys: int64 (B,).
        size: side of the result.
    """
    batch, height, width, _ = pixels.shape
    boxes = random_boxes(keys, np.full(batch, height), np.full(batch, width))
    resized = pixels.new_empty((batch, size, size, pixels.shape[3]))
    for i, (top, left, box_height, box_width) in enumerate(boxes.tolist()):
        # One image at a time: boxes differ in size, and a sample must not depend on its batch.
        box = pixels[i : i + 1, top : top + box_height, left : left + box_width].permute(0, 3, 1, 2)
        image = torch.nn.functional.interpolate(
            box.to(torch.float32), (size, size), mode="bilinear", align_corners=False
        )
        resized[i] = like(image[0].permute(1, 2, 0), pixels)
    return resized
