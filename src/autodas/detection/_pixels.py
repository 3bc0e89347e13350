"""Pixels of images with boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
from PIL.Image import Image

from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._decode import open_image
from autodas.data.pixels._form import Form
from autodas.detection._images import AnnotatedImage
from autodas.errors import AutodasError

CHANNELS = 3
"""Detectors read RGB; grey values are repeated."""

_KEPT = 2**30
"""Images that take less than this many bytes together are kept in memory once they are decoded."""
_MEASURED = 256
"""Number of images from which the mean colour is computed."""


def read_pixels(path: str) -> Image:
    """Return a decoded image, upright, in RGB.

    Raises:
        AutodasError: if it cannot be read as an image of 8 bits.
    """
    try:
        with open_image(path) as picture:
            pixels = picture.decode(Form(CHANNELS)).pixels
            return PIL.Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels.copy()
    except UnreadableError as error:
        raise AutodasError(f"{path}: cannot be read as an image ({error})") from error


class Pixels:
    """Decoded images by number; they are kept if they take little memory.

    Args:
        images: the images.
    """

    def __init__(self, images: Sequence[AnnotatedImage]) -> None:
        self.images = images
        size = sum(image.width * image.height * CHANNELS for image in images)
        self._kept: dict[str, Image] | None = {} if size <= _KEPT else None

    def some(self, images: Sequence[AnnotatedImage]) -> Pixels:
        """Return some of the images under new numbers; what is decoded is shared."""
        chosen = Pixels(images)
        chosen._kept = self._kept
        return chosen

    def __getitem__(self, number: int) -> Image:
        """Return a decoded image in RGB.

        Raises:
            AutodasError: if it cannot be read, or has another size than annotated.
        """
        image = self.images[number]
        if self._kept is not None and image.path in self._kept:
            return self._kept[image.path]
        pixels = read_pixels(image.path)
        if pixels.size != (image.width, image.height):
            raise AutodasError(
                f"{image.where}: annotated for {image.width} x {image.height} pixels, but {image.path} has "
                f"{pixels.width} x {pixels.height}"
            )
        if self._kept is not None:
            self._kept[image.path] = pixels
        return pixels


def colour_of(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, for values from 0 to 1, of images spread evenly."""
    count = len(pixels.images)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MEASURED)).round().astype(int))
    sums, squares, total = np.zeros(CHANNELS), np.zeros(CHANNELS), 0
    for number in chosen.tolist():
        values = np.asarray(pixels[number], np.float64).reshape(-1, CHANNELS) / 255
        sums, squares, total = sums + values.sum(0), squares + (values**2).sum(0), total + len(values)
    mean = sums / total
    # An image of one colour has no deviation to divide by.
    deviation = np.sqrt(np.maximum(squares / total - mean**2, 1e-6))
    return tuple(mean.tolist()), tuple(deviation.tolist())
