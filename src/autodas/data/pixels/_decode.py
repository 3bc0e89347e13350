"""Decoding of images to the pixels that a network sees."""

from __future__ import annotations

import io
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from autodas.data.files._endings import IMAGE_FORMATS, UNMARKED, known_formats
from autodas.data.files._unreadable import UnreadableError as UnreadableError
from autodas.data.pixels._form import Form, Range
from autodas.data.pixels._formats import (
    MAX_PIXELS,
    REDUCIBLE,
    ArrayPicture,
    Picture,
    PillowPicture,
    reason_of,
)
from autodas.data.pixels._png import DeepPng, is_deep
from autodas.data.pixels._tiff import MAGIC, TiffPicture, pillow_suffices, quiet_libtiff
from autodas.data.pixels._views import decoded_view
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow warns of odd tags and of large images, naming a path of its own: the first do not matter, the second
# have a limit here. Set once for the process, since filters that change are not safe among threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Messages that it logs in addition are raised, too; programs that have set up logging still get them.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_PNG, _JPEG_2000 = b"\x89PNG", b"jP  "
_UNMARKED_ENDINGS = tuple(ending for name in UNMARKED for ending in IMAGE_FORMATS[name])


def open_image(encoded: str | bytes) -> Picture:
    """Open an image, a path or the bytes of a file, and read its header.

    Arrays of numpy (``.npy``) are images too. TIFF files with many bands, or with more than 8 bits per
    colour, are read by the library tifffile, everything else by Pillow.

    Raises:
        UnreadableError: if it is not an image, or has more than :data:`MAX_PIXELS` pixels.
    """
    try:
        start = encoded[:8] if isinstance(encoded, bytes) else _first_bytes(encoded)
        if isinstance(encoded, str) and (start[:4] == _PNG or start[4:] == _JPEG_2000):
            # Of a file, Pillow would allocate as many bytes as a damaged header or chunk claims to have.
            encoded = Path(encoded).read_bytes()
        if start[:6] == b"\x93NUMPY":
            picture: Picture = _open_array(encoded)
        elif start[:4] in MAGIC:
            picture = _open_tiff(encoded)
        else:
            image = _open_pillow(encoded, _formats(encoded, start))
            picture = DeepPng(image, encoded) if is_deep(image) else PillowPicture(image)
    except (MemoryError, UnreadableError):
        raise
    except Exception as error:  # decoders raise errors of many types on damaged files
        raise UnreadableError(reason_of(error)) from error
    if picture.header.width * picture.header.height > MAX_PIXELS:
        picture.close()
        raise UnreadableError(f"it has more than {MAX_PIXELS:,} pixels")
    return picture


def as_picture(value: Any) -> Picture | None:
    """Return an image in memory as an opened image; ``None`` if it is not an image.

    Args:
        value: a Pillow image, an array (H, W) or (H, W, C) of numbers or booleans, or such a tensor, (H, W)
            or (C, H, W).
    """
    import PIL.Image

    if isinstance(value, PIL.Image.Image):
        # An image that has been opened but not decoded still has all of its bits, and can be decoded smaller.
        stream = getattr(value, "fp", None)
        if stream is not None and (
            is_deep(value) or (value.format in REDUCIBLE and getattr(value, "tile", None))
        ):
            place = stream.tell()
            stream.seek(0)
            encoded = stream.read()
            stream.seek(place)
            return open_image(encoded)
        return PillowPicture(value, lent=True)
    if isinstance(value, torch.Tensor):
        value = (value.permute(1, 2, 0) if value.ndim == 3 else value).numpy()
    if isinstance(value, np.ndarray) and value.ndim in (2, 3) and value.dtype.kind in "biuf" and value.size:
        return ArrayPicture(value)
    return None


def _first_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(8)


def _open_pillow(encoded: str | bytes, formats: list[str]) -> Image:
    import PIL.Image

    return PIL.Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=formats)


def _open_tiff(encoded: str | bytes) -> Picture:
    quiet_libtiff()
    try:
        image: Any = _open_pillow(encoded, ["TIFF"])
        if pillow_suffices(image):
            # Files with a name are mapped into memory, by the size that they have after rotation.
            image.filename = ""
            return PillowPicture(image)
        image.close()
    except OSError:  # Pillow cannot identify it
        pass
    return TiffPicture(encoded)


def _open_array(encoded: str | bytes) -> ArrayPicture:
    """Open a numpy file; it is memory-mapped, so that only the parts used are read."""
    if isinstance(encoded, bytes):
        array = np.load(io.BytesIO(encoded), allow_pickle=False)
    else:
        array = np.load(encoded, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3) or not array.size:
        raise UnreadableError(
            f"numbers of shape (H, W) or (H, W, C) are expected, found {array.dtype} {array.shape}"
        )
    if channels_first(array.shape):
        raise UnreadableError(f"(H, W, C) is expected, found {array.shape}: put the channels last")
    return ArrayPicture(array, "NPY")


def channels_first(shape: tuple[int, ...]) -> bool:
    """Return whether the last three axes look like (C, H, W), not (H, W, C)."""
    if len(shape) < 3:
        return False
    first, height, width = shape[-3:]
    if first in (1, 3, 4):
        return width not in (1, 3, 4)
    return first <= 16 and first < width and height == width


def _formats(encoded: str | bytes, start: bytes) -> list[str]:
    """Return the formats that a file can have, by its first bytes and its name."""
    if start[:4] == b"RIFF" and "WEBP" in known_formats():
        # Trying one format after the other would take longer than decoding a small image.
        return ["WEBP"]
    formats = [name for name in known_formats() if name not in UNMARKED]
    if isinstance(encoded, str) and encoded.lower().endswith(_UNMARKED_ENDINGS):
        formats += UNMARKED
    return formats


def read_image(
    image: str | Path | Any, *, channels: int, image_size: int, value_range: Range | None = None
) -> Tensor:
    """Read one image as in evaluation.

    Args:
        image: path of a file, or a Pillow image, an array (H, W) or (H, W, C), or a tensor (C, H, W).
        channels: number of channels; 1 converts colours to grey values, 3 repeats grey values, other numbers
            must match the image.
        image_size: side of the result in pixels.
        value_range: values that become 0 and 255, for images with more than 8 bits; ``None`` returns bytes.

    Returns:
        uint8, or with a ``value_range`` float32, (channels, image_size, image_size).

    Raises:
        AutodasError: if the file is missing or is not a readable image.
    """
    is_path = isinstance(image, str | os.PathLike)
    where = str(image) if is_path else "the image"
    if is_path and not os.path.isfile(image):
        raise AutodasError(f"{where}: no such file")
    try:
        picture = open_image(where) if is_path else as_picture(image)
        if picture is None:
            raise AutodasError(
                f"a path, a Pillow image or an array (H, W, C) is expected, found {type(image).__name__}"
            )
        view = decoded_view(picture, Form(channels, value_range), image_size)
    except UnreadableError as error:
        raise AutodasError(f"{where}: cannot be read as an image ({error})") from error
    return torch.from_numpy(np.array(view.transpose(2, 0, 1)))
