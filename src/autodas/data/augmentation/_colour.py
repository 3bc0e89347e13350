"""Random brightness, contrast, saturation and hue of a batch of images."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.data.augmentation._random import uniform

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(5, 9)
# ITU-R 601, in thousandths, so that grey values and their means are exact whole numbers.
_LUMA = (299, 587, 114)


def jitter(pixels: Tensor, keys: Tensor, strength: float) -> Tensor:
    """Vary the colours of each image.

    Brightness, contrast and saturation are scaled by factors uniform in ``[1 - strength, 1 + strength]``,
    hue is rotated by up to ``strength / 2`` of the circle, in this order. For bytes each step is rounded to
    bytes: sums are then sums of integers, and a sample gives the same result in every batch. For the same
    reason sums of float32 are computed in double precision, and nothing is rounded.

    Args:
        pixels: uint8, or float32 on the scale 0..255, (B, H, W, C); saturation and hue are for C = 3.
        keys: int64 (B,).
        strength: in [0, 1].
    """
    pixels = _blend(pixels, torch.zeros_like(pixels[:, :1, :1]), _factor(keys, _BRIGHTNESS, strength))
    if pixels.dtype == torch.uint8:
        mean = _grey(pixels).sum((1, 2), keepdim=True) // (pixels.shape[1] * pixels.shape[2])
    else:
        mean = _grey(pixels).double().mean((1, 2), keepdim=True)
    pixels = _blend(pixels, mean, _factor(keys, _CONTRAST, strength))
    if pixels.shape[3] != 3:
        return pixels
    pixels = _blend(pixels, _grey(pixels), _factor(keys, _SATURATION, strength))
    return turn_hue(pixels, (2 * uniform(keys, _HUE) - 1) * (strength / 2))


def turn_hue(pixels: Tensor, turn: Tensor) -> Tensor:
    """Rotate the hue of each image (B, H, W, 3) by a share ``turn`` (B,) of the circle."""
    colours = pixels.to(torch.float32)
    value, chroma = colours.amax(3), colours.amax(3) - colours.amin(3)
    red, green, blue = colours.unbind(3)
    safe = chroma.clamp(min=1)
    sector = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sector = sector + 6 * turn[:, None, None]
    channels = []
    for offset in (5, 3, 1):
        k = torch.remainder(sector + offset, 6)
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return like(torch.stack(channels, 3), pixels)


def _factor(keys: Tensor, stream: int, strength: float) -> Tensor:
    return (1 + strength * (2 * uniform(keys, stream) - 1))[:, None, None, None]


def grey(pixels: Tensor) -> Tensor:
    """Return grey values (..., 1) of pixels (..., 1 or 3), of the same type."""
    return _grey(pixels).to(pixels.dtype)


def _grey(pixels: Tensor) -> Tensor:
    """Return grey values (..., 1), for bytes as int32; for more than three channels their mean."""
    bytes_ = pixels.dtype == torch.uint8
    values = pixels.to(torch.int32) if bytes_ else pixels
    if pixels.shape[-1] == 3:
        red, green, blue = (values[..., c : c + 1] for c in range(3))
        total = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        return (total + 500) // 1000 if bytes_ else total / 1000
    total, count = values.sum(-1, keepdim=True), pixels.shape[-1]
    return (total + count // 2) // count if bytes_ else total / count


def _blend(pixels: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return like(pixels.to(torch.float32) * factor + other.to(torch.float32) * (1 - factor), pixels)


def like(values: Tensor, pixels: Tensor) -> Tensor:
    """Return float32 values clipped to 0..255, and rounded to bytes if ``pixels`` are bytes."""
    return (
        values.round().clamp(0, 255).to(torch.uint8) if pixels.dtype == torch.uint8 else values.clamp(0, 255)
    )
