"""A data set and its splits, as the rest of the program sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from autodas.data._augmentation import Augmentation
from autodas.data._decode import Header, UnreadableImageError, convert, pixels_of
from autodas.data._sources import ArraySource, Source
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from PIL.Image import Image


class Images:
    """The images of one split. Made by :func:`autodas.data.open_dataset`.

    Args:
        source: where the images come from.
        selection: int64 (N,), the numbers in ``source`` that belong to this split.
        labels: int64 (N,).
        channels: 1 or 3.
        image_size: what the network sees, in pixels.
        stored: uint8 (N, R, R, C) with R at least ``image_size`` if held in memory.
        bad_allowed: how many images may still turn out to be unreadable while training.
    """

    def __init__(
        self,
        source: Source,
        selection: np.ndarray,
        labels: np.ndarray,
        *,
        channels: int,
        image_size: int,
        stored: Tensor | None = None,
        bad_allowed: int = 0,
    ) -> None:
        self.labels = labels
        self.channels, self.image_size, self.bad_allowed = channels, image_size, bad_allowed
        self._source, self._selection = source, selection
        self._stored = stored
        self._on_device: dict[str, tuple[Tensor, Tensor]] = {}

    @classmethod
    def from_arrays(cls, pixels: np.ndarray, labels: np.ndarray) -> Images:
        """Make a split from arrays in memory.

        Args:
            pixels: uint8 (N, S, S, C), C = 1 or 3.
            labels: integers (N,), from 0.
        """
        count, height, width, channels = pixels.shape
        if pixels.dtype != np.uint8 or height != width or channels not in (1, 3) or len(labels) != count:
            raise AutodasError(
                f"uint8 pixels (N, S, S, 1 or 3) and N labels are expected, found {pixels.dtype} "
                f"{pixels.shape} and {len(labels)} labels"
            )
        return cls(
            ArraySource(pixels),
            np.arange(count),
            np.asarray(labels, dtype=np.int64),
            channels=channels,
            image_size=height,
            stored=torch.from_numpy(np.ascontiguousarray(pixels)),
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> Tensor | None:
        """uint8 (N, C, S, S) as evaluation sees the images, if they are held in memory, else ``None``."""
        if self._stored is None:
            return None
        start = (self._stored.shape[1] - self.image_size) // 2
        inner = slice(start, start + self.image_size)
        return self._stored[:, inner, inner].permute(0, 3, 1, 2)

    @cached_property
    def paths(self) -> Sequence[str] | None:
        """The file of each image, if the images are files."""
        paths = self._source.paths
        return None if paths is None else [paths[i] for i in self._selection]

    @property
    def bytes_in_memory(self) -> int:
        """Size of the pixels that are held in memory."""
        return 0 if self._stored is None else self._stored.numel()

    def read(self, index: int) -> np.ndarray:
        """Return one image decoded, at its original size: uint8 (H, W, C).

        Raises:
            AutodasError: if it cannot be read.
        """
        try:
            return pixels_of(self.open(index))
        except UnreadableImageError as error:
            raise AutodasError(f"{self.describe(index)}: cannot be read as an image ({error})") from error

    def open(self, index: int) -> Image:
        """Return one image decoded, with the channels of the data set, as a Pillow image.

        Raises:
            UnreadableImageError: if it cannot be read.
        """
        return convert(self._source.open(int(self._selection[index])), self.channels)

    def header(self, index: int) -> Header:
        """Return the original size of one image."""
        return self._source.header(int(self._selection[index]))

    def describe(self, index: int) -> str:
        """Return what messages call one image: its file, or its place in the data set."""
        return self._source.describe(int(self._selection[index]))

    def on_device(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return stored pixels (N, R, R, C) and labels on a device; loaders of one split share them."""
        if self._stored is None:
            raise ValueError("the images of this split are not held in memory")
        if str(device) not in self._on_device:
            labels = torch.from_numpy(self.labels)
            self._on_device[str(device)] = (self._stored.to(device), labels.to(device))
        return self._on_device[str(device)]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_on_device": {}}


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A data set of images with labels.

    Args:
        name: as it was asked for.
        train: images to search and train with.
        test: images that are only looked at in the end.
        classes: name of each label.
        channels: 1 (grey) or 3 (RGB).
        image_size: side of what the network sees, in pixels.
        mean: of the training images, one value a channel, on the scale 0..1.
        std: likewise; never 0.
        bad: files that could not be read, each with the reason.
        default_augmentation: what suits these images when the user says nothing.
        notes: what a user should know of how the data were read.
    """

    name: str
    train: Images
    test: Images
    classes: tuple[str, ...]
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bad: tuple[str, ...]
    default_augmentation: Augmentation
    notes: tuple[str, ...] = ()
