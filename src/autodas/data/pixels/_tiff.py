"""TIFF files that Pillow cannot read, or only in part: many bands, 16 bits per colour, floats."""

from __future__ import annotations

import contextlib
import io
import logging
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._form import Values
from autodas.data.pixels._formats import MAX_PIXELS, RANGE_TAGS, Header, Picture, native, tag_range, turned

if TYPE_CHECKING:
    from PIL.Image import Image

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _PHOTOMETRIC, _DESCRIPTION, _ORIENTATION, _EXTRA, _SAMPLES = 258, 262, 270, 274, 338, 339
_WHOLE, _SIGNED = 1, 2  # types of samples
_MAX_VALUES = 4 * MAX_PIXELS
_AXES = set("CYXS")  # channels, rows, columns, samples
_STRANGE_COLOURS = (3, 5, 8)  # palettes, CMYK and CIELAB, of which Pillow reads the usual ones


def pillow_suffices(image: Image) -> bool:
    """Return whether Pillow reads all of a TIFF file that it has opened."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits = tags.get(_BITS, (1,))
    if len(bits) > 1 and (max(bits) > 8 or 0 in tags.get(_EXTRA, ())):
        return False  # the lower bits, or a band that is not transparency, would be dropped
    kinds = tags.get(_SAMPLES, (_WHOLE,))
    if (max(bits) == 8 and _SIGNED in kinds) or (max(bits) == 32 and _WHOLE in kinds):
        return False  # half of the values would be misread
    description = str(tags.get(_DESCRIPTION, ""))
    # Programs of microscopes store channels as pages.
    return not ("<OME" in description or (description.startswith("ImageJ=") and "channels=" in description))


@cache
def quiet_libtiff() -> None:
    """Keep the C library behind Pillow from writing errors to standard error that Pillow also raises."""
    import ctypes

    import PIL._imaging

    # If the library is bundled with Pillow, its functions cannot be found, and its messages remain.
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(PIL._imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


class TiffPicture(Picture):
    """The first image of a TIFF file, read by the library tifffile.

    Args:
        encoded: the path, or the bytes of the file.

    Raises:
        UnreadableError: if it is not a TIFF file, has an unsupported form, or tifffile is not installed.
    """

    def __init__(self, encoded: str | bytes) -> None:
        library = _library()
        try:
            self._file = library.TiffFile(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded)
        except MemoryError:
            raise
        except Exception as error:  # the library raises errors of many types on damaged files
            raise UnreadableError(_reason(error)) from error
        try:
            self._header = self._read_header()
        except (MemoryError, UnreadableError):
            self.close()
            raise
        except Exception as error:  # as above
            self.close()
            raise UnreadableError(_reason(error)) from error

    @property
    def header(self) -> Header:
        """Size, channels and type."""
        return self._header

    def values(self) -> Values:
        """Return all channels, and close the file."""
        page, axes = self._page, self._whole.axes
        try:
            tags = {number: page.tags.valueof(number) for number in (_BITS, _PHOTOMETRIC, *RANGE_TAGS)}
            array = self._whole.asarray()
        except MemoryError:
            raise
        except Exception as error:  # as above
            raise UnreadableError(_reason(error)) from error
        finally:
            self.close()
        if array.ndim != len(axes):
            raise UnreadableError(f"its axes are {axes}, and its values have {array.ndim}")
        array = np.moveaxis(array, [axes.index("Y"), axes.index("X")], [0, 1])
        array = native(array.reshape(*array.shape[:2], -1))
        declared = tag_range(tags, array.dtype.name)
        if tags[_PHOTOMETRIC] == 0 and array.dtype.kind == "u":  # white is zero
            depth = tags[_BITS] or 8 * array.dtype.itemsize
            depth = max(depth) if isinstance(depth, tuple) else depth
            array = (2**depth - 1 - array.astype(np.int64)).astype(array.dtype)
        array = turned(array, self._turn)
        if self._alpha:
            colours, alpha = array[..., :-1], array[..., -1]
            premultiplied = page.extrasamples[-1] == 1
            return Values(_divided(colours, alpha) if premultiplied else colours, alpha, declared)
        return Values(array, None, declared)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_header(self) -> Header:
        if not self._file.pages:
            raise UnreadableError("the TIFF file is truncated: it contains no image")
        self._page = page = self._file.pages[0]
        series = self._file.series[0]
        # Channels stored as pages belong together; times, depths and unnamed axes are separate images.
        self._whole = whole = series if "C" in series.axes and set(series.axes) <= _AXES else page
        if not {"X", "Y"} <= set(whole.axes) <= _AXES:
            raise UnreadableError(f"its axes are {whole.axes}: an image with channels is expected")
        if page.photometric in _STRANGE_COLOURS and whole is page:
            raise UnreadableError(f"its colours are {page.photometric.name.lower()} of an unsupported kind")
        if math.prod(whole.shape) > _MAX_VALUES:
            raise UnreadableError(f"it has more than {_MAX_VALUES:,} values")
        turn = page.tags.valueof(_ORIENTATION)
        self._turn = int(turn) if turn in range(1, 9) else 1
        sizes = dict(zip(whole.axes, whole.shape, strict=True))
        samples = sizes.get("C", 1) * sizes.get("S", 1)
        transparent = page.extrasamples and page.extrasamples[-1] in (1, 2)
        self._alpha = whole is page and samples in (2, 4) and bool(transparent)
        return Header(
            sizes["X"],
            sizes["Y"],
            samples - self._alpha,
            np.dtype(whole.dtype).name.replace("bool", "uint8"),
            "TIFF",
            self._turn != 1,
            whole is page and len(self._file.pages) > 1,
        )


def _divided(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return colours that are stored premultiplied with their opacity."""
    full = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    opaque = np.maximum(alpha.astype(np.float64), np.finfo(np.float32).tiny)[..., None] / full
    straight = np.where(alpha[..., None] > 0, colours / opaque, 0).clip(0, full)
    return (straight if alpha.dtype.kind == "f" else np.rint(straight)).astype(colours.dtype)


def _library() -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise UnreadableError(
            "a TIFF file with many bands, or with more than 8 bits per colour, needs the package tifffile: "
            "pip install 'autodas[tiff]'"
        ) from error
    # Otherwise it warns of every odd tag on standard error.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    return tifffile


def _reason(error: Exception) -> str:
    text = str(error).split("\n")[0]
    if "imagecodecs" in text:
        return f"{text}: pip install 'autodas[tiff]'"
    return text or type(error).__name__
