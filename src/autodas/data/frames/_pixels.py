"""Pixels of decoded frames: resized, in RGB, oriented for display."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# Relative to the sides of a display matrix: larger deviations from a quarter turn are ignored.
_TOLERANCE = 0.02


class Orientation(NamedTuple):
    """Orientation of frames for display: first transposed, then mirrored.

    Args:
        transposed: rows become columns.
        upside_down: the last row becomes the first.
        mirrored: the last column becomes the first.
    """

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return displayed height and width for stored ones, and vice versa."""
        return (width, height) if self.transposed else (height, width)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Return displayed frames as a view of (H, W, C) as stored."""
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        return pixels[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


def orientation_of(frame: VideoFrame) -> Orientation:
    """Return the orientation of a frame from its display matrix, as ffmpeg's autorotation does.

    The matrix maps a stored point (x, y) to (a x + c y, b x + d y). An empty or skewed matrix is ignored.
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    across, down = np.hypot(a, c), np.hypot(b, d)
    if not across or not down:
        return Orientation()
    if max(abs(b), abs(c)) < _TOLERANCE * min(across, down):
        return Orientation(False, upside_down=d < 0, mirrored=a < 0)
    if max(abs(a), abs(d)) < _TOLERANCE * min(across, down):
        return Orientation(True, upside_down=b < 0, mirrored=c < 0)
    return Orientation()


class Pixels:
    """Converter from frames to pixels; one scaler is used for all frames.

    Args:
        size: displayed height and width of the result.
        orientation: orientation of the video.
    """

    def __init__(self, size: tuple[int, int], orientation: Orientation) -> None:
        from av.video.reformatter import VideoReformatter

        self._height, self._width = orientation.size(*size)
        self._orientation = orientation
        self._scaler = VideoReformatter()

    def of(self, frame: VideoFrame) -> np.ndarray:
        """Return the pixels of a frame, uint8 (H, W, 3)."""
        # The scaler's own threads cost more than they save on frames of this size.
        scaled = self._scaler.reformat(
            frame, self._width, self._height, "rgb24", interpolation="BILINEAR", threads=1
        )
        return self._orientation.apply(scaled.to_ndarray())
