"""Random brightness, contrast, saturation and hue of a batch of uint8 images."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.data._random import uniform

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(5, 9)
# ITU-R 601, in thousandths, so that grey values and their means are exact whole numbers.
_LUMA = (299, 587, 114)


def jitter(pixels: Tensor, keys: Tensor, strength: float) -> Tensor:
    """Vary the colours of each image.

    Brightness, contrast and saturation are scaled by factors uniform in ``[1 - strength, 1 + strength]``,
    hue is turned by up to ``strength / 2`` of the circle, in this order. Each step is rounded to uint8:
    sums are then sums of whole numbers, and a sample comes out the same in every batch.

    Args:
        pixels: uint8 (B, H, W, C) with C = 1 or 3; saturation and hue need 3.
        keys: int64 (B,).
        strength: in [0, 1].
    """
    pixels = _blend(pixels, torch.zeros_like(pixels[:, :1, :1]), _factor(keys, _BRIGHTNESS, strength))
    mean = _grey(pixels).sum((1, 2), keepdim=True) // (pixels.shape[1] * pixels.shape[2])
    pixels = _blend(pixels, mean, _factor(keys, _CONTRAST, strength))
    if pixels.shape[3] == 1:
        return pixels
    pixels = _blend(pixels, _grey(pixels), _factor(keys, _SATURATION, strength))
    return turn_hue(pixels, (2 * uniform(keys, _HUE) - 1) * (strength / 2))


def turn_hue(pixels: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of each image (B, H, W, 3) by a part ``turn`` (B,) of the circle, nothing else."""
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
    return _to_bytes(torch.stack(channels, 3))


def _factor(keys: Tensor, stream: int, strength: float) -> Tensor:
    return (1 + strength * (2 * uniform(keys, stream) - 1))[:, None, None, None]


def grey(pixels: Tensor) -> Tensor:
    """Return grey values (..., 1) of uint8 pixels (..., 1 or 3), as uint8."""
    return _grey(pixels).to(torch.uint8)


def _grey(pixels: Tensor) -> Tensor:
    """Return grey values (..., 1) as int32."""
    if pixels.shape[-1] == 1:
        return pixels.to(torch.int32)
    red, green, blue = (pixels[..., c : c + 1].to(torch.int32) for c in range(3))
    return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue + 500) // 1000


def _blend(pixels: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return _to_bytes(pixels.to(torch.float32) * factor + other.to(torch.float32) * (1 - factor))


def _to_bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
