"""Opened images that are not decoded yet: image files, arrays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._form import Form, Range, Values

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 178_956_970
"""Images with more pixels are not decoded; the limit beyond which Pillow refuses."""
REDUCIBLE = ("JPEG", "MPO")
"""Formats that can be decoded at a reduced size, at less cost."""
_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")
_DEEP_MODES = {"I": "int32", "F": "float32", **dict.fromkeys(("I;16", "I;16B", "I;16L", "I;16N"), "uint16")}
_ORIENTATION = 274  # number of the tag, in EXIF and in TIFF
_TAG_PHOTOMETRIC, _TAG_BITS, _TAG_LOW, _TAG_HIGH = 262, 258, 280, 281
_TAG_FLOAT_LOW, _TAG_FLOAT_HIGH = 340, 341
RANGE_TAGS = (_TAG_LOW, _TAG_HIGH, _TAG_FLOAT_LOW, _TAG_FLOAT_HIGH)
"""Tags of a TIFF file that declare the values of black and white."""


class Header(NamedTuple):
    """Facts about an image known before it is decoded.

    Args:
        width, height: in pixels.
        channels: 1 for grey values, 3 for colours (palettes and transparency do not count), or any other
            number.
        dtype: type of its values: ``"uint8"``, ``"uint16"``, ``"float32"``, ...
        kind: format of its file, such as ``"PNG"``.
        turned: whether the file declares that it is to be rotated or mirrored.
        pages: whether the file contains further images, which are not read.
    """

    width: int
    height: int
    channels: int
    dtype: str = "uint8"
    kind: str = "array"
    turned: bool = False
    pages: bool = False

    @property
    def grey(self) -> bool:
        """Whether it has grey values only."""
        return self.channels == 1

    @property
    def deep(self) -> bool:
        """Whether its values have more than 8 bits."""
        return self.dtype != "uint8"


class Decoded(NamedTuple):
    """A decoded image.

    Args:
        pixels: a Pillow image of 8 bits, or an array (H, W, C).
        reduction: factor by which it is smaller than the original.
        clipped: whether it had values beyond the range.
    """

    pixels: Image | np.ndarray
    reduction: float = 1.0
    clipped: bool = False


class Picture(ABC):
    """Opened image; its pixels are read on request."""

    @property
    @abstractmethod
    def header(self) -> Header:
        """Facts known before decoding."""

    @abstractmethod
    def values(self) -> Values:
        """Return the values of the file, upright; raises UnreadableError."""

    @property
    def shown_size(self) -> tuple[int, int] | None:
        """Height and width as displayed; ``None`` if only decoding can tell."""
        return None

    def decode(self, form: Form, reduction: float = 1.0) -> Decoded:
        """Return the pixels, upright.

        Args:
            form: form of the pixels.
            reduction: factor by which the result may be smaller, if that saves work.

        Raises:
            UnreadableError: if they are damaged, or cannot be converted to that form.
        """
        pixels, clipped = form.of(self.values())
        return Decoded(pixels, 1.0, clipped)

    def close(self) -> None:  # noqa: B027  # an array needs no closing
        """Close the file."""

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class ArrayPicture(Picture):
    """An image in memory.

    Args:
        array: numbers of any type, or booleans, (H, W) or (H, W, C).
        kind: as of :class:`Header`.
        alpha, declared: as of :class:`Values`.
        turned: as of :class:`Header`.
    """

    def __init__(
        self,
        array: np.ndarray,
        kind: str = "array",
        *,
        alpha: np.ndarray | None = None,
        declared: Range | None = None,
        turned: bool = False,
    ) -> None:
        self._values = Values(native(array), alpha, declared)
        self._kind, self._turned = kind, turned

    @property
    def header(self) -> Header:
        """Size, channels and type."""
        height, width, channels = self._values.array.shape
        return Header(width, height, channels, self._values.array.dtype.name, self._kind, self._turned)

    def values(self) -> Values:
        """Return the array."""
        return self._values


class PillowPicture(Picture):
    """An image opened by Pillow.

    Args:
        image: the image, decoded or not.
        lent: whether it belongs to the caller: it is not closed, and not decoded at a reduced size.
    """

    def __init__(self, image: Image, *, lent: bool = False) -> None:
        self._image, self._lent = image, lent

    @cached_property
    def header(self) -> Header:
        """Size, channels and type."""
        image = self._image
        dtype = _DEEP_MODES.get(image.mode, "uint8")
        # The second image of a photograph is its preview.
        pages = image.format != "MPO" and bool(getattr(image, "is_animated", False))
        return Header(
            image.width,
            image.height,
            1 if image.mode in _GREY_MODES else 3,
            dtype,
            image.format or "image",
            orientation(image) != 1,
            pages,
        )

    @property
    def shown_size(self) -> tuple[int, int] | None:
        """Height and width of a JPEG, which can be decoded at a reduced size."""
        if self._image.format not in REDUCIBLE:
            return None
        width, height = self.header.width, self.header.height
        return (width, height) if orientation(self._image) >= 5 else (height, width)

    def values(self) -> Values:
        """Return grey values or RGB; transparent pixels are blended with white."""
        image = self._loaded
        if not self.header.deep:
            return Values(_array(_on_white(image, "L" if self.header.grey else "RGB")))
        array = native(np.asarray(image))
        if self._image.format in ("JPEG2000", "PPM"):
            return Values(array, None, None if image.mode == "F" else (0, 65535))  # scaled by Pillow
        tags = getattr(self._image, "tag_v2", {})
        if tags.get(_TAG_PHOTOMETRIC) == 0 and array.dtype == np.uint16:
            array = (2 ** tags.get(_TAG_BITS, (16,))[0] - 1) - array
        declared = tag_range(tags, str(array.dtype))
        opaque = None
        if isinstance(self._image.info.get("transparency"), int):
            opaque = array[..., 0] != self._image.info["transparency"]
        return Values(array, opaque, declared)

    def decode(self, form: Form, reduction: float = 1.0) -> Decoded:
        """Return the pixels; a large JPEG is decoded at a half, a quarter or an eighth of its size."""
        width, height = self.header.width, self.header.height
        scale = 1.0
        if reduction >= 2 and self._image.format in REDUCIBLE and not self._lent:
            draft = self._image.draft(None, (math.ceil(width / reduction), math.ceil(height / reduction)))
            scale = 1.0 if draft is None else width / draft[1][2]
        if self.header.deep or form.value_range is not None or form.channels not in (1, 3):
            return super().decode(form)._replace(reduction=scale)
        return Decoded(_on_white(self._loaded, "L" if form.channels == 1 else "RGB"), scale)

    def close(self) -> None:
        """Close the file."""
        if not self._lent:
            self._image.close()

    @cached_property
    def _loaded(self) -> Image:
        """The image, decoded and upright."""
        import PIL.Image

        method = PIL.Image.Transpose
        turns = {
            2: method.FLIP_LEFT_RIGHT,
            3: method.ROTATE_180,
            4: method.FLIP_TOP_BOTTOM,
            5: method.TRANSPOSE,
            6: method.ROTATE_270,
            7: method.TRANSVERSE,
            8: method.ROTATE_90,
        }
        try:
            self._image.load()
            # TIFF files are already turned by Pillow.
            turn = None if self._image.format == "TIFF" else turns.get(orientation(self._image))
            return self._image if turn is None else self._image.transpose(turn)
        except MemoryError:
            raise
        except Exception as error:  # decoders raise errors of many types on damaged files
            self.close()
            raise UnreadableError(reason_of(error)) from error


def orientation(image: Image) -> int:
    """Return the orientation of an image, 1 to 8 as in EXIF; 1 if its tags are damaged."""
    if image.format == "TIFF":
        number = getattr(image, "tag_v2", {}).get(_ORIENTATION, 1)
    elif "exif" in image.info or "Raw profile type exif" in image.info:
        try:
            number = image.getexif().get(_ORIENTATION, 1)
        except MemoryError:
            raise
        except Exception:  # a broken block of tags does not affect the pixels
            return 1
    else:
        return 1
    return number if number in range(1, 9) else 1


def turned(array: np.ndarray, how: int) -> np.ndarray:
    """Return an array (H, W, ...) turned according to :func:`orientation`."""
    if how >= 5:
        array = array.swapaxes(0, 1)
    rows = slice(None, None, -1 if how in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if how in (2, 3, 6, 7) else 1)
    return array[rows, columns]


def native(array: np.ndarray) -> np.ndarray:
    """Return an array as (H, W, C), in native byte order, with booleans as 0 and 255."""
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    array = array[:, :, None] if array.ndim == 2 else array
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def tag_range(tags: object, dtype: str) -> Range | None:
    """Return the values of black and white declared by the tags of a TIFF file.

    These are the samples' minimum and maximum, or the range of the declared bits if these are not a whole
    number of bytes.

    Args:
        tags: values by number of the tag.
        dtype: type of the samples.
    """
    get = getattr(tags, "get", lambda *_: None)
    low_tag, high_tag = (_TAG_FLOAT_LOW, _TAG_FLOAT_HIGH) if dtype[0] == "f" else (_TAG_LOW, _TAG_HIGH)
    low, high = (_numbers(get(tag)) for tag in (low_tag, high_tag))
    if high:
        declared = (min(low, default=0.0), max(high))
        return declared if declared[0] < declared[1] else None
    bits = [int(b) for b in _numbers(get(_TAG_BITS))]
    if dtype == "uint16" and bits and max(bits) < 16:
        return (0, 2 ** max(bits) - 1)
    return None


def _numbers(value: object) -> list[float]:
    """Return the numbers of a tag; none if it contains anything else."""
    try:
        numbers = np.asarray(value, dtype=np.float64).reshape(-1).tolist()
    except (TypeError, ValueError, ZeroDivisionError):
        return []
    return numbers if value is not None and all(map(math.isfinite, numbers)) else []


def reason_of(error: Exception) -> str:
    """Return the reason why a file cannot be read, in words for users."""
    import PIL.Image

    if isinstance(error, PIL.Image.DecompressionBombError):
        return f"it has more than {MAX_PIXELS:,} pixels"
    text = str(error).split("\n")[0]
    # The message of Pillow names the stream object, which is meaningless to a user.
    if "cannot identify image file" in text:
        return "not an image file"
    if text.lstrip("-").isdigit():  # all that older versions of Pillow say
        text = f"decoder error {text}"
    return f"damaged: {text}" if text.startswith("decoder error") else text or type(error).__name__


def _array(image: Image) -> np.ndarray:
    return native(np.asarray(image))


def _on_white(image: Image, mode: str) -> Image:
    """Return an image of 8 bits as ``L`` or ``RGB``; transparent pixels are blended with white."""
    import PIL.Image

    if image.mode == mode and "transparency" not in image.info:
        return image
    try:
        if image.mode == "LAB":
            from PIL import ImageCms

            profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
            image = ImageCms.buildTransform(*profiles, "LAB", "RGB").apply(image)
        if image.mode == "La":
            image = image.convert("LA")  # the only way from there
        if image.mode in _DEEP_MODES:
            raise UnreadableError(f"Pillow decodes it to {image.mode}, which has more than 8 bits")
        if image.has_transparency_data:
            flat = PIL.Image.new("RGBA", image.size, "white")
            flat.alpha_composite(image.convert("RGBA"))
            return flat.convert(mode)
        return image.convert(mode)
    except (ValueError, OSError, PIL.Image.DecompressionBombError) as error:
        raise UnreadableError(reason_of(error)) from error
