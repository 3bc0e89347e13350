"""Batched augmentation of images and clips, and the normalisation that follows it.

Pixels are uint8, or float32 on the same scale 0..255 if the data have more than 8 bits.

Within this module a batch is (B, H, W, C): a batch in this layout becomes ``channels_last`` by a final
permutation at no cost, and a row of a crop is contiguous. The frames of a clip lie one below the other,
(B, T H, W, C), so that they are all augmented in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from autodas.data.augmentation._colour import jitter
from autodas.data.augmentation._crops import centre_crop, resized_crop
from autodas.data.augmentation._random import integers
from autodas.errors import AutodasError

_CROP_Y, _CROP_X, _FLIP, _CUTOUT_Y, _CUTOUT_X = range(5)


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of training images.

    Args:
        crop_padding: black padding on each side, in pixels, before a crop of the image's size is taken.
        flip: mirror left and right, with probability 1/2.
        cutout: side of a square, in pixels, that is set to the mean colour; its centre is anywhere in
            the image (DeVries & Taylor, 2017). 0 for none.
        random_resized_crop: take 8 to 100 % of the area, sides 3:4 to 4:3, and resize it. Excludes
            ``crop_padding``.
        color_jitter: strength in [0, 1] of random brightness, contrast and saturation; that of hue is half of
            it (DARTS uses 0.4 and 0.2 on ImageNet).

    Raises:
        AutodasError: if a value is out of range.
    """

    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0
    random_resized_crop: bool = False
    color_jitter: float = 0.0

    def __post_init__(self) -> None:
        for name in ("crop_padding", "cutout"):
            if getattr(self, name) < 0:
                raise AutodasError(f"augmentation.{name} must be at least 0, found {getattr(self, name)}")
        if not 0 <= self.color_jitter <= 1:
            raise AutodasError(f"augmentation.color_jitter must be in [0, 1], found {self.color_jitter}")
        if self.crop_padding and self.random_resized_crop:
            raise AutodasError(
                "augmentation.crop_padding and augmentation.random_resized_crop exclude each other: "
                "set one of them to 0 or false"
            )

    def __str__(self) -> str:
        used = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name)]
        return ", ".join(used) or "none"


def normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return ``(pixels / 255 - mean) / std``.

    Args:
        pixels: uint8, or float32 on the scale 0..255, (C, H, W), (B, C, H, W) or, for clips,
            (B, C, T, H, W).
        mean: mean of each channel, on the scale 0..1.
        std: standard deviation of each channel, likewise.

    Returns:
        float32 of the same shape and memory format.
    """
    scale = [torch.tensor([255 * v for v in values], device=pixels.device) for values in (mean, std)]
    ones = (1,) * max(2, pixels.dim() - 2)
    shift, spread = (s.to(torch.float32).view(-1, *ones) for s in scale)
    return pixels.to(torch.float32, copy=True).sub_(shift).div_(spread)


def finish(
    pixels: Tensor,
    keys: Tensor,
    augmentation: Augmentation | None,
    *,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    cropped: bool,
) -> Tensor:
    """Augment and normalise a batch.

    Args:
        pixels: uint8 or float32 (B, R, R, C) with R at least ``size``, or clips (B, T, size, size, C); two
            channels of a clip are optical flow.
        keys: int64 (B,), from ``sample_keys``, on the host: the boxes of resized crops are computed there.
        augmentation: augmentation to apply; ``None`` for evaluation.
        size: side of the result.
        mean: mean of each channel, on the scale 0..1.
        std: standard deviation of each channel, likewise.
        cropped: whether the random resized crop has already been taken.

    Returns:
        float32 (B, C, size, size), in ``channels_last`` format; for clips (B, C, T, size, size).
    """
    if pixels.dim() == 5:
        flat = pixels.flatten(1, 2)
        keys = keys.to(pixels.device, non_blocking=True)
        flow = pixels.shape[4] == 2
        rows = _finish_rows(flat, keys, augmentation, mean=mean, std=std, flow=flow)
        return rows.view(pixels.shape).permute(0, 4, 1, 2, 3)
    if augmentation is not None and augmentation.random_resized_crop and not cropped:
        pixels = resized_crop(pixels, keys, size)
    keys = keys.to(pixels.device, non_blocking=True)
    pixels = centre_crop(pixels, size)
    if augmentation is not None and augmentation.crop_padding:
        pixels = padded_crop(pixels, keys, augmentation.crop_padding)
    images = _finish_rows(pixels, keys, augmentation, mean=mean, std=std)
    if augmentation is not None and augmentation.cutout:
        cut(images, keys, augmentation.cutout)
    return images.permute(0, 3, 1, 2)


def _finish_rows(
    pixels: Tensor,
    keys: Tensor,
    augmentation: Augmentation | None,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    flow: bool = False,
) -> Tensor:
    """Apply the augmentation shared by images and stacked frames, and normalise."""
    if augmentation is not None:
        if augmentation.flip:
            pixels = flip(pixels, keys, flow=flow)
        if augmentation.color_jitter:
            pixels = jitter(pixels, keys, augmentation.color_jitter)
    return _normalise_rows(pixels, mean, std)


def padded_crop(pixels: Tensor, keys: Tensor, padding: int) -> Tensor:
    """Pad (B, H, W, C) with black on all sides and take a random crop of the original size."""
    batch, height, width, channels = pixels.shape
    top, left = (integers(keys, stream, 2 * padding + 1) for stream in (_CROP_Y, _CROP_X))
    padded = pad(pixels, (0, 0, padding, padding, padding, padding)).contiguous()
    # All crops are a view: one more axis for each offset, so the choice is a gather of whole rows.
    column, row = channels, (width + 2 * padding) * channels
    crops = padded.as_strided(
        (batch, 2 * padding + 1, 2 * padding + 1, height, width * channels),
        (row * (height + 2 * padding), row, column, row, 1),
    )
    chosen: Tensor = crops[torch.arange(batch, device=pixels.device), top, left]
    return chosen.view(batch, height, width, channels)


def flip(pixels: Tensor, keys: Tensor, *, flow: bool = False) -> Tensor:
    """Mirror images (B, H, W, C) with probability 1/2; ``flow`` if they are optical flow."""
    mirror_image = pixels.flip(2)
    if flow:
        # Mirroring reverses the horizontal component. The opposite of v is 256 - v, which for bytes is -v.
        mirror_image[..., 0].neg_()
    both = torch.cat([pixels, mirror_image])
    # Selecting whole images copies contiguous memory; selecting pixel by pixel takes five times as long.
    mirrored = integers(keys, _FLIP, 2) * len(pixels)
    return both.index_select(0, mirrored + torch.arange(len(pixels), device=pixels.device))


def cut(images: Tensor, keys: Tensor, side: int) -> None:
    """Set a random square of each image (B, H, W, C) to 0, in place; part of it may lie outside."""
    inside = []
    for stream, extent in ((_CUTOUT_Y, images.shape[1]), (_CUTOUT_X, images.shape[2])):
        first = integers(keys, stream, extent)[:, None] - side // 2
        at = torch.arange(extent, device=images.device)
        inside.append((at >= first) & (at < first + side))
    rows, columns = (mask.to(torch.float32) for mask in inside)
    # Products of 0 and 1: three times as fast as filling through a boolean mask.
    hole = rows[:, :, None] * columns.repeat_interleave(images.shape[3], 1)[:, None, :]
    images.view(*hole.shape).mul_(hole.neg_().add_(1))


def _normalise_rows(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return the result of :func:`normalise` for (B, H, W, C)."""
    # Channels are the innermost axis here. Repeating the values along a row makes the innermost loop
    # long enough to be vectorised.
    batch, height, width, channels = pixels.shape
    shift, spread = (_row(tuple(values), width, pixels.device) for values in (mean, std))
    rows = pixels.reshape(batch, height, width * channels).to(torch.float32, copy=True)
    return rows.sub_(shift).div_(spread).view(batch, height, width, channels)


@lru_cache(maxsize=64)
def _row(values: tuple[float, ...], width: int, device: torch.device) -> Tensor:
    # Cached: copying numbers from the host would make it wait for the device.
    return torch.tensor([255 * v for v in values]).repeat(width).to(device, torch.float32)
