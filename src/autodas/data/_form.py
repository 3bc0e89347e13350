"""From the values of a decoded picture to pixels as a network sees them: range and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autodas.data._unreadable import UnreadableError

Range = tuple[float, float]
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Values(NamedTuple):
    """A picture as its file holds it.

    Args:
        array: numbers of any type, (H, W, C).
        alpha: how opaque the pixels are, (H, W): booleans, or numbers on the scale of ``array``; ``None``
            where all are opaque.
        declared: the values of black and white, where the file says it.
    """

    array: np.ndarray
    alpha: np.ndarray | None = None
    declared: Range | None = None


@dataclass(frozen=True)
class Form:
    """What pixels are made into.

    Args:
        channels: how many. 1 makes grey values of colours, 3 repeats grey values; any other number must be
            that of the picture.
        value_range: the values that become 0 and 255, in pictures of more than 8 bits. Pixels are float32
            then, and nothing is rounded; values beyond the range are clipped. ``None`` makes bytes.
    """

    channels: int
    value_range: Range | None = None

    @property
    def dtype(self) -> type[np.generic]:
        """Of pixels: uint8 or float32, both on the scale 0..255."""
        return np.uint8 if self.value_range is None else np.float32

    def of(self, values: Values) -> tuple[np.ndarray, bool]:
        """Return pixels (H, W, channels), and whether values had to be clipped.

        Raises:
            UnreadableError: if values are no finite numbers, their range is not known, or the number of
                channels is another.
        """
        array, alpha, _ = values
        if array.dtype == np.uint8 and self.value_range is None and alpha is None:
            return self._channels_of(array), False
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UnreadableError("it holds values that are no finite numbers (NaN or infinite)")
        low, high = self._range_of(values)
        clipped = bool(array.min() < low or array.max() > high)
        pixels = _scaled(array, low, high)
        if alpha is not None:
            opaque = alpha.astype(np.float32) if alpha.dtype == bool else _scaled(alpha, low, high) / 255
            pixels = 255 + (pixels - 255) * opaque[..., None]
        pixels = self._channels_of(pixels)
        return (np.rint(pixels).astype(np.uint8) if self.value_range is None else pixels), clipped

    def _range_of(self, values: Values) -> Range:
        """Return the values of black and white in one picture."""
        stated, dtype = self.value_range, values.array.dtype
        if dtype == np.uint8:
            # A range of 12 bits, or of floating-point numbers from 0 to 1, is not meant for bytes.
            for_bytes = stated is not None and stated[0] >= 0 and 1 < stated[1] <= 255
            return stated if for_bytes and stated is not None else (0, 255)
        if stated is not None:
            return stated
        if values.declared is not None:
            return values.declared
        if dtype.kind == "f" and values.array.min() >= 0 and values.array.max() <= 1:
            return (0, 1)
        if dtype == np.uint16:
            return (0, 65535)
        raise UnreadableError(
            f"its values are {dtype} of an unknown range, from {values.array.min():g} to "
            f"{values.array.max():g}, and 8 bits are expected: state data.value_range, or save it with 8 bits"
        )

    def _channels_of(self, pixels: np.ndarray) -> np.ndarray:
        found = pixels.shape[2]
        if found == self.channels:
            return pixels
        if found == 1 and self.channels == 3:
            return np.repeat(pixels, 3, axis=2)
        if found == 3 and self.channels == 1:
            if pixels.dtype == np.uint8:
                import PIL.Image

                return np.asarray(PIL.Image.fromarray(pixels).convert("L"))[..., None]
            return (pixels @ _LUMA)[..., None]
        raise UnreadableError(f"it has {found} channels, {self.channels} are expected")


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return float32 on the scale 0..255."""
    # 24 bits hold what has 16; the difference of larger numbers needs more.
    narrow = values.dtype.itemsize <= 2 or values.dtype == np.float32
    wide = values.astype(np.float32 if narrow else np.float64)
    wide -= low
    wide *= 255 / (high - low)
    scaled: np.ndarray = np.clip(wide, 0, 255).astype(np.float32, copy=False)
    return scaled
