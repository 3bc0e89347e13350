"""A data set and its splits, as the rest of the program sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from autodas.data._augmentation import Augmentation
from autodas.data._clips import Clips
from autodas.data._crops import random_boxes
from autodas.data._decode import Header, UnreadableError, box_view, convert, evaluation_view, pixels_of
from autodas.data._flow import FlowEncoding
from autodas.data._sources import ArraySource, Source
from autodas.data._split import Split
from autodas.data_options import Modality
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from PIL.Image import Image


class Images(Split):
    """The images of one split. Made by :func:`autodas.data.open_dataset`; arguments as of :class:`Split`."""

    def __init__(self, source: Source, selection: np.ndarray, labels: np.ndarray, **facts: Any) -> None:
        super().__init__(source, selection, labels, **facts)
        self._source = source

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

    @property
    def pixels(self) -> Tensor | None:
        """uint8 (N, C, S, S) as evaluation sees the images, if they are held in memory, else ``None``."""
        if self._stored is None:
            return None
        start = (self._stored.shape[1] - self.image_size) // 2
        inner = slice(start, start + self.image_size)
        return self._stored[:, inner, inner].permute(0, 3, 1, 2)

    def read(self, index: int) -> np.ndarray:
        """Return one image decoded, at its original size: uint8 (H, W, C).

        Raises:
            AutodasError: if it cannot be read.
        """
        try:
            return pixels_of(self.open(index))
        except UnreadableError as error:
            raise AutodasError(f"{self.describe(index)}: cannot be read as an image ({error})") from error

    def open(self, index: int) -> Image:
        """Return one image decoded, with the channels of the data set, as a Pillow image.

        Raises:
            UnreadableError: if it cannot be read.
        """
        return convert(self._source.open(int(self._selection[index])), self.channels)

    def header(self, index: int) -> Header:
        """Return the original size of one image."""
        return self._source.header(int(self._selection[index]))

    def view_shape(self) -> tuple[int, ...]:
        """Return (S, S, C)."""
        return (self.image_size, self.image_size, self.channels)

    def training_view(self, index: int, key: Tensor, augmentation: Augmentation) -> np.ndarray:
        """Return the whole image, or a random resized crop of it."""
        image = self.open(index)
        if not augmentation.random_resized_crop:
            return evaluation_view(image, self.image_size)
        box = random_boxes(key[None], np.array([image.height]), np.array([image.width]))[0]
        return box_view(image, box.tolist(), self.image_size)

    def evaluation_views(
        self, index: int, numbers: Sequence[int], of: int, crops: int = 1
    ) -> list[np.ndarray]:
        """Return the image as evaluation sees it."""
        view = evaluation_view(self.open(index), self.image_size)
        return [view] * len(numbers)


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A data set of images, or of videos, with labels.

    Args:
        name: as it was asked for.
        train: images (or videos) to search and train with.
        test: those that are only looked at in the end.
        classes: name of each label.
        channels: 1 (grey), 3 (RGB) or 2 (optical flow).
        image_size: side of what the network sees, in pixels.
        mean: of the training images, one value a channel, on the scale 0..1.
        std: likewise; never 0.
        bad: files that could not be read, each with the reason.
        default_augmentation: what suits these images when the user says nothing.
        notes: what a user should know of how the data were read.
        clips: how clips are taken from videos; ``None`` for images.
        modality: what the network sees of videos: ``"rgb"`` or ``"flow"``.
        flow: how optical flow is made, where that is seen; ``None`` otherwise.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bad: tuple[str, ...]
    default_augmentation: Augmentation
    notes: tuple[str, ...] = ()
    clips: Clips | None = None
    modality: Modality = "rgb"
    flow: FlowEncoding | None = None

    @property
    def frames(self) -> int | None:
        """Frames of a clip; ``None`` for images."""
        return None if self.clips is None else self.clips.frames

    @property
    def what(self) -> str:
        """What messages call the samples."""
        return self.train.what
