"""From an encoded image to pixels as the network sees them."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from autodas.data._endings import IMAGE_FORMATS, UNMARKED, known_formats
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from PIL.Image import Image

_UNMARKED_ENDINGS = tuple(ending for name in UNMARKED for ending in IMAGE_FORMATS[name])
_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")


class UnreadableError(Exception):
    """An image that cannot be decoded; the message is the reason."""


class Header(NamedTuple):
    """What is known of an image before it is decoded."""

    width: int
    height: int
    grey: bool


def open_image(encoded: str | bytes) -> Image:
    """Read the header of an image: a path, or the bytes of a file.

    Raises:
        UnreadableError: if it is not an image.
    """
    import PIL.Image

    formats = [name for name in known_formats() if name not in UNMARKED]
    if isinstance(encoded, str) and encoded.lower().endswith(_UNMARKED_ENDINGS):
        formats += UNMARKED
    if isinstance(encoded, bytes) and encoded[:4] == b"RIFF":
        # Trying one format after the other would take longer than decoding a small image.
        formats = [name for name in formats if name == "WEBP"]
    try:
        return PIL.Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=formats)
    except MemoryError:
        raise
    except Exception as error:  # Decoders raise errors of many types on damaged files.
        raise UnreadableError(_reason(error)) from error


def header(image: Image) -> Header:
    """Return size and kind of an image, without decoding it."""
    return Header(image.width, image.height, image.mode in _GREY_MODES)


def convert(image: Image, channels: int) -> Image:
    """Decode an image, upright, as grey (1 channel) or RGB (3 channels).

    Transparent pixels are put on white. 16-bit grey keeps its upper 8 bits.

    Raises:
        UnreadableError: if the data are damaged or the pixels have no range that could be known.
    """
    try:
        image.load()
        if "exif" in image.info:
            from PIL import ImageOps

            image = ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception as error:
        image.close()
        raise UnreadableError(_reason(error)) from error
    mode = "L" if channels == 1 else "RGB"
    if image.mode == mode and "transparency" not in image.info:
        return image
    return _convert_mode(image, mode)


def _convert_mode(image: Image, mode: str) -> Image:
    import PIL.Image

    if image.mode == "F":
        raise UnreadableError("floating-point pixels: save it with 8 bits a channel")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadableError("pixels beyond 16 bits: save it with 8 bits a channel")
        return PIL.Image.fromarray((values >> 8).astype(np.uint8)).convert(mode)
    if image.has_transparency_data:
        flat = PIL.Image.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
        return flat.convert(mode)
    return image.convert(mode)


def stored_size(image_size: int) -> int:
    """Return the side to which the short side of an image is resized before the centre crop.

    It is 256/224 of ``image_size`` from 128 on, as usual for ImageNet, otherwise ``image_size``. The
    margin is even, so that a centre crop of a centre crop is the centre crop.
    """
    if image_size < 128:
        return image_size
    return image_size + 2 * round(image_size * 32 / 224 / 2)


def square(image: Image, side: int) -> np.ndarray:
    """Return the centre square of a converted image, resized.

    Returns:
        uint8 (side, side, C).
    """
    import PIL.Image

    if image.size != (side, side):
        short = min(image.size)
        left, top = ((extent - short) // 2 for extent in image.size)
        # Only the square is resized: a banner of 10 x 100,000 pixels would else become enormous.
        box = (left, top, left + short, top + short)
        image = image.resize((side, side), PIL.Image.Resampling.BILINEAR, box=box)
    return pixels_of(image)


def evaluation_view(image: Image, image_size: int) -> np.ndarray:
    """Return a converted image as evaluation sees it.

    Returns:
        uint8 (image_size, image_size, C).
    """
    side = stored_size(image_size)
    start = (side - image_size) // 2
    return square(image, side)[start : start + image_size, start : start + image_size]


def box_view(image: Image, box: Sequence[int], image_size: int) -> np.ndarray:
    """Return a part of a converted image, resized.

    Args:
        image: the converted image.
        box: top, left, height, width.
        image_size: side of the result.
    """
    import PIL.Image

    top, left, height, width = box
    corners = (left, top, left + width, top + height)
    return pixels_of(image.resize((image_size, image_size), PIL.Image.Resampling.BILINEAR, box=corners))


def pixels_of(image: Image) -> np.ndarray:
    """Return the pixels of a converted image, uint8 (H, W, C)."""
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def default_image_size(headers: Sequence[Header]) -> int:
    """Return what the network sees when the user has not said it.

    The native size where all images are squares of one size up to 64; otherwise the largest short
    side, at most 224, rounded down to a multiple of 8.
    """
    sizes = {(h.width, h.height) for h in headers}
    width, height = next(iter(sizes))
    if len(sizes) == 1 and width == height <= 64:
        return width
    largest = max(min(size) for size in sizes)
    return max(8, math.floor(min(largest, 224) / 8) * 8)


def read_image(path: str | Path, *, channels: int, image_size: int) -> Tensor:
    """Read one image file as evaluation sees it.

    Args:
        path: the file.
        channels: 1 or 3.
        image_size: side of the result in pixels.

    Returns:
        uint8 (channels, image_size, image_size).

    Raises:
        AutodasError: if the file is missing or is not a readable image.
    """
    if not Path(path).is_file():
        raise AutodasError(f"{path}: no such file")
    try:
        view = evaluation_view(convert(open_image(str(path)), channels), image_size)
    except UnreadableError as error:
        raise AutodasError(f"{path}: cannot be read as an image ({error})") from error
    return torch.from_numpy(np.array(view.transpose(2, 0, 1)))


def _reason(error: Exception) -> str:
    text = str(error).split("\n")[0]
    # The message of Pillow names the stream object, which tells a user nothing.
    return "not an image file" if "cannot identify image file" in text else text or type(error).__name__
