"""PNG files of 16 bits with colours or transparency, of which Pillow keeps the upper 8 bits only."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._form import Values
from autodas.data.pixels._formats import Header, PillowPicture, orientation, reason_of, turned

if TYPE_CHECKING:
    from PIL.Image import Image

# Byte layouts to request from Pillow's decoder, by its name of the file's layout: twice three or four bytes,
# upper and lower halves, or four bytes as they are stored.
_LAYOUTS = {
    "RGB;16B": ("RGB", ("RGB;16B", "RGB;16L")),
    "RGBA;16B": ("RGBA", ("RGBA;16B", "RGBA;16L")),
    "LA;16B": ("RGBA", ("RGBA",)),
}


class DeepPng(PillowPicture):
    """A PNG file of 16 bits.

    Args:
        image: the image as opened by Pillow.
        encoded: the path, or the bytes of the file.
    """

    def __init__(self, image: Image, encoded: str | bytes) -> None:
        super().__init__(image)
        self._encoded, self._layout = encoded, _layout(image)

    @property
    def header(self) -> Header:
        """Size, channels and type."""
        return super().header._replace(channels=3 if self._layout[0] == "R" else 1, dtype="uint16")

    def values(self) -> Values:
        """Return all 16 bits, and the number of significant bits if declared by the file."""
        declared = (0, 2**bits - 1) if (bits := _significant_bits(self._encoded)) else None
        if self._layout not in _LAYOUTS:
            return super().values()._replace(declared=declared)
        mode, raw_modes = _LAYOUTS[self._layout]
        try:
            parts = [_decoded(self._encoded, mode, raw_mode) for raw_mode in raw_modes]
        except MemoryError:
            raise
        except Exception as error:  # as for every decoder
            raise UnreadableError(reason_of(error)) from error
        halves = [half for half, _ in parts]
        if len(halves) == 2:
            array = halves[0].astype(np.uint16) << 8 | halves[1]
        else:
            array = halves[0][..., 0::2].astype(np.uint16) << 8 | halves[0][..., 1::2]
        array = turned(array, parts[0][1])
        self.close()
        if self._layout == "RGB;16B":
            clear = self._image.info.get("transparency")
            opaque = None if clear is None else (array != np.array(clear, dtype=np.uint16)).any(2)
            return Values(array, opaque, declared)
        return Values(array[..., :-1], array[..., -1], declared)


def is_deep(image: Image) -> bool:
    """Return whether an opened image is a PNG file of 16 bits."""
    return image.format == "PNG" and _layout(image).endswith("16B")


def _layout(image: Image) -> str:
    tiles = getattr(image, "tile", [])
    return str(tiles[0][3]) if tiles else ""


def _decoded(encoded: str | bytes, mode: str, raw_mode: str) -> tuple[np.ndarray, int]:
    """Decode a file with a byte layout other than Pillow's choice; return also its orientation."""
    import PIL.Image

    with PIL.Image.open(
        io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=["PNG"]
    ) as image:
        opened: Any = image  # tuples in older versions of Pillow, named tuples in newer ones
        codec, extents, offset, _ = opened.tile[0]
        opened._mode, opened.tile = mode, [(codec, extents, offset, raw_mode)]
        pixels = np.asarray(image)
        return pixels, orientation(image)  # the tag may follow the pixels


def _significant_bits(encoded: str | bytes) -> int | None:
    """Return the number of significant bits of a PNG file's colours (its chunk ``sBIT``)."""
    with io.BytesIO(encoded) if isinstance(encoded, bytes) else open(encoded, "rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in (b"IDAT", b"IEND"):
                return None
            if kind == b"sBIT":
                bits = max(file.read(min(length, 3)), default=0)
                return bits if 1 <= bits <= 16 else None
            file.seek(length + 4, io.SEEK_CUR)
    return None
