"""Frames that tell their own number: it is written into their pixels as a bar code."""

from __future__ import annotations

from functools import cache

import numpy as np

HEIGHT, WIDTH = 120, 160
_BITS, _BLOCK, _BAND = 10, 16, 12


def texture(count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Coloured waves that drift, uint8 (count, height, width, 3): a codec has motion to predict."""
    return _texture(count, height, width).copy()


@cache
def _texture(count: int, height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    frames = np.empty((count, height, width, 3), dtype=np.uint8)
    for i in range(count):
        for channel, (across, down, speed) in enumerate(
            ((0.11, 0.05, 0.3), (0.03, 0.12, -0.2), (0.07, 0.07, 0.5))
        ):
            frames[i, ..., channel] = 128 + 90 * np.sin(across * columns + down * rows + speed * i)
    return frames


def bar_coded(frames: np.ndarray, first: int = 0) -> np.ndarray:
    """Write numbers from ``first`` on into a copy of frames, uint8 (F, H, W, 3), below the middle.

    A band of white and black blocks holds the bits; the band below it their complements, so that a frame
    without a code is told from one with a code.
    """
    coded = frames.copy()
    top, left = _corner(*frames.shape[1:3])
    for i, frame in enumerate(coded):
        for bit in range(_BITS):
            is_set = first + i >> bit & 1
            columns = slice(left + bit * _BLOCK, left + (bit + 1) * _BLOCK)
            frame[top : top + _BAND, columns] = 235 if is_set else 20
            frame[top + _BAND : top + 2 * _BAND, columns] = 20 if is_set else 235
    return coded


def numbers_of(frames: np.ndarray) -> list[int]:
    """Read the numbers of frames (F, H, W, 3) back; -1 where there is no code."""
    top, left = _corner(*frames.shape[1:3])
    bands = frames[:, top : top + 2 * _BAND, left : left + _BITS * _BLOCK].astype(float).mean(-1)
    blocks = bands.reshape(-1, 2, _BAND, _BITS, _BLOCK)[:, :, 3:-3, :, 4:-4].mean((2, 4))
    upper, lower = blocks[:, 0], blocks[:, 1]
    numbers = ((upper > lower) << np.arange(_BITS)).sum(-1)
    return [int(n) for n in np.where((abs(upper - lower) < 60).any(-1), -1, numbers)]


def _corner(height: int, width: int) -> tuple[int, int]:
    return height // 2, (width - _BITS * _BLOCK) // 2
