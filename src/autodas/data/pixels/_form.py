"""Conversion of a decoded image to pixels as a network sees them: value range and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autodas.data.files._unreadable import UnreadableError

Range = tuple[float, float]
# ITU-R 601; for bytes in integers, with exactly the weights of Pillow.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_LUMA_OF_BYTES = np.array([19595, 38470, 7471], dtype=np.uint32)


class Values(NamedTuple):
    """Values of an image as stored in its file.

    Args:
        array: numbers of any type, (H, W, C).
        alpha: opacity of the pixels, (H, W): booleans, or numbers on the scale of ``array``; ``None`` if all
            are opaque.
        declared: values of black and white, if declared by the file.
    """

    array: np.ndarray
    alpha: np.ndarray | None = None
    declared: Range | None = None


@dataclass(frozen=True)
class Form:
    """Form of the pixels of a data set.

    Args:
        channels: number of channels. 1 converts colours to grey values, 3 repeats grey values; any other
            number must match the image.
        value_range: values that become 0 and 255, for images of more than 8 bits. Pixels are then float32,
            and not rounded; values beyond the range are clipped. ``None`` returns bytes.
    """

    channels: int
    value_range: Range | None = None

    @property
    def dtype(self) -> type[np.generic]:
        """Type of pixels: uint8 or float32, both on the scale 0..255."""
        return np.uint8 if self.value_range is None else np.float32

    @property
    def ranges_bytes(self) -> bool:
        """Whether the range also applies to bytes; one of 12 bits, or from 0 to 1, does not."""
        return self.value_range is not None and self.value_range[0] >= 0 and 1 < self.value_range[1] <= 255

    def of(self, values: Values) -> tuple[np.ndarray, bool]:
        """Return pixels (H, W, channels), and whether values had to be clipped.

        Raises:
            UnreadableError: if values are not finite, their range is unknown, or the number of channels does
                not match.
        """
        array, alpha, _ = values
        if array.dtype == np.uint8 and self.value_range is None and alpha is None:
            return self.channels_of(array), False
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UnreadableError("it contains values that are not finite (NaN or infinite)")
        low, high = self._range_of(array.dtype)
        clipped = bool(array.min() < low or array.max() > high)
        pixels = _scaled(array, low, high)
        if alpha is not None:
            opaque = alpha.astype(np.float32) if alpha.dtype == bool else _scaled(alpha, low, high) / 255
            pixels = 255 + (pixels - 255) * opaque[..., None]
        pixels = self.channels_of(pixels)
        return (np.rint(pixels).astype(np.uint8) if self.value_range is None else pixels), clipped

    def _range_of(self, dtype: np.dtype[Any]) -> Range:
        """Return the values of black and white in an image."""
        if dtype == np.uint8 and not self.ranges_bytes:
            return (0, 255)
        if self.value_range is None:
            raise UnreadableError(
                f"its values are {dtype}, 8 bits are expected: state their value_range, or save 8 bits"
            )
        return self.value_range

    def channels_of(self, pixels: np.ndarray) -> np.ndarray:
        """Return pixels (..., H, W, C) with the required channels; raises UnreadableError."""
        count = pixels.shape[-1]
        if count == self.channels:
            return pixels
        if count == 1 and self.channels == 3:
            return np.repeat(pixels, 3, axis=-1)
        if count == 3 and self.channels == 1:
            if pixels.dtype == np.uint8:
                weighted = (pixels * _LUMA_OF_BYTES).sum(-1, keepdims=True, dtype=np.uint32)
                rounded: np.ndarray = (weighted + 0x8000 >> 16).astype(np.uint8)
                return rounded
            red, green, blue = (_LUMA[c] * pixels[..., c : c + 1] for c in range(3))
            grey: np.ndarray = red + green + blue
            return grey
        raise UnreadableError(f"it has {count} channels, {self.channels} are expected")


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return values as float32 on the scale 0..255."""
    # 24 bits represent 16 exactly; the difference of larger numbers needs more.
    narrow = values.dtype.itemsize <= 2 or values.dtype == np.float32
    wide: np.ndarray = values.astype(np.float32 if narrow else np.float64)
    wide -= low
    wide *= 255 / (high - low)
    scaled: np.ndarray = np.clip(wide, 0, 255).astype(np.float32, copy=False)
    return scaled
