"""Square and rectangular parts of decoded images, resized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from autodas.data.pixels._form import Form
    from autodas.data.pixels._formats import Header, Picture


def stored_size(image_size: int) -> int:
    """Return the side to which the short side of an image is resized before the centre crop.

    It is 256/224 of ``image_size`` from 128 on, as usual for ImageNet, otherwise ``image_size``. The
    margin is even, so that the centre crop of a centre crop is the centre crop.
    """
    if image_size < 128:
        return image_size
    return image_size + 2 * round(image_size * 32 / 224 / 2)


def square(image: Image | np.ndarray, side: int) -> np.ndarray:
    """Return the centre square of a decoded image, resized.

    Returns:
        uint8 or float32 (side, side, C).
    """
    width, height = _size(image)
    if (width, height) == (side, side):
        return pixels_of(image)
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    # Only the square is resized: otherwise a banner of 10 x 100,000 pixels would become enormous.
    return _resized(image, side, (left, top, left + short, top + short))


def evaluation_view(image: Image | np.ndarray, image_size: int) -> np.ndarray:
    """Return a decoded image as in evaluation.

    Returns:
        uint8 or float32 (image_size, image_size, C).
    """
    side = stored_size(image_size)
    start = (side - image_size) // 2
    return square(image, side)[start : start + image_size, start : start + image_size]


def box_view(image: Image | np.ndarray, box: Sequence[float], image_size: int) -> np.ndarray:
    """Return a part of a decoded image, resized.

    Args:
        image: the decoded image.
        box: top, left, height, width.
        image_size: side of the result.
    """
    width, height = _size(image)
    top, left, box_height, box_width = box
    corners = (left, top, min(left + box_width, width), min(top + box_height, height))
    return _resized(image, image_size, corners)


def decoded_view(picture: Picture, form: Form, image_size: int) -> np.ndarray:
    """Decode an image, no larger than needed, return it as in evaluation, and close it."""
    with picture:
        decoded = picture.decode(form, reduction(picture, stored_size(image_size)))
        return evaluation_view(decoded.pixels, image_size)


def reduction(picture: Picture, side: float) -> float:
    """Return the factor by which an image may be decoded smaller if its short side becomes ``side``.

    Twice the necessary resolution is kept, so that resizing has enough pixels to average over.
    """
    return min(picture.header.width, picture.header.height) / (2 * side)


def pixels_of(image: Image | np.ndarray) -> np.ndarray:
    """Return the pixels of a decoded image, (H, W, C)."""
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def for_people(pixels: np.ndarray) -> np.ndarray:
    """Return pixels (H, W, C) of any kind as an image for display: uint8 (H, W, 1 or 3).

    With other numbers of channels the first three are shown as red, green and blue, with two the first.
    """
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels).clip(0, 255).astype(np.uint8)
    return pixels[..., : 3 if pixels.shape[-1] >= 3 else 1]


def default_image_size(headers: Sequence[Header]) -> int:
    """Return the default image size.

    The native size if all images are squares of one size up to 64; otherwise the median short side, at most
    224, rounded down to a multiple of 8. The median, so that a single large image has no effect.
    """
    sizes = {(h.width, h.height) for h in headers}
    width, height = next(iter(sizes))
    if len(sizes) == 1 and width == height <= 64:
        return width
    median = sorted(min(h.width, h.height) for h in headers)[len(headers) // 2]
    return max(8, math.floor(min(median, 224) / 8) * 8)


def _size(image: Image | np.ndarray) -> tuple[int, int]:
    """Return width and height."""
    return (image.shape[1], image.shape[0]) if isinstance(image, np.ndarray) else image.size


def _resized(image: Image | np.ndarray, side: int, box: tuple[float, float, float, float]) -> np.ndarray:
    """Return a box (left, top, right, bottom) as a square."""
    import PIL.Image

    bilinear = PIL.Image.Resampling.BILINEAR
    if not isinstance(image, np.ndarray):
        return pixels_of(image.resize((side, side), bilinear, box=box))
    # Channel by channel, in bytes or single precision: the same filter for all kinds of images.
    channels = [np.ascontiguousarray(image[:, :, c]) for c in range(image.shape[2])]
    layers = [PIL.Image.fromarray(c).resize((side, side), bilinear, box=box) for c in channels]
    return np.stack([np.asarray(layer) for layer in layers], axis=2)
