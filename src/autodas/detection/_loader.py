"""Batches of augmented, normalised images with their boxes."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from autodas.data import Batch, normalise
from autodas.data.augmentation._colour import jitter
from autodas.data.augmentation._random import AUGMENTATION, ORDER, permutation, sample_keys
from autodas.detection._images import AnnotatedImage
from autodas.detection._pixels import Pixels
from autodas.detection._views import View, evaluation_view, training_view
from autodas.detection_options import BoxAugmentation
from autodas.errors import AutodasError

NO_BOX = -1
"""Class of the rows that fill up the boxes of a batch."""

_AHEAD = 2
"""Batches that are read ahead."""


class BoxLoader:
    """Loader of batches, which are the same for the same arguments, from any start.

    The order of an epoch follows from (seed, epoch), the augmentation of an image from (seed, epoch, index).
    While training, a last batch of one image is dropped (batch normalisation cannot use it), and boxes that
    are ignored are not shown.

    The labels of a batch are float32 (B, M, 5): the class, and the left, top, right and bottom edge as shares
    of the sides; M is the largest number of boxes of an image, and rows that are left have the class
    :data:`NO_BOX`.

    Args:
        images: the images.
        pixels: their pixels, in the same order.
        batch_size: at least 1; capped at the number of images.
        image_size: side of the batches.
        mean: mean of each channel, for values from 0 to 1.
        std: standard deviation of each channel, likewise.
        seed: seed of order and augmentation.
        augmentation: augmentation while training; ``None`` for evaluation, in the order of the images.
        device: device of the batches.
        workers: number of threads that read ahead; 0 reads when a batch is asked for.

    Raises:
        AutodasError: if there are no images, or a number is out of range.
    """

    def __init__(
        self,
        images: Sequence[AnnotatedImage],
        pixels: Pixels,
        *,
        batch_size: int,
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int = 0,
        augmentation: BoxAugmentation | None = None,
        device: torch.device | str = "cpu",
        workers: int = 0,
    ) -> None:
        if not images:
            raise AutodasError("there are no images to load")
        if batch_size < 1 or workers < 0:
            raise AutodasError(
                f"batch_size must be at least 1 and workers at least 0, found {batch_size} and {workers}"
            )
        if augmentation is not None and min(batch_size, len(images)) < 2:
            raise AutodasError("batch normalisation needs at least 2 images in each batch")
        self.images, self._pixels = images, pixels
        self.batch_size, self.image_size = min(batch_size, len(images)), image_size
        self.mean, self.std, self.seed = tuple(mean), tuple(std), seed
        self.augmentation, self.device, self.workers = augmentation, torch.device(device), workers

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        full, rest = divmod(len(self.images), self.batch_size)
        return full + (rest > 0 and not (self.augmentation is not None and rest == 1))

    def batches(self, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        return self._read((epoch, number) for number in range(len(self)))

    def stream(self, step: int = 0) -> Iterator[Batch]:
        """Yield batches indefinitely, from the one with this number on."""
        return self._read(divmod(number, len(self)) for number in itertools.count(step))

    def _read(self, asked: Iterator[tuple[int, int]]) -> Iterator[Batch]:
        if not self.workers:
            for epoch, number in asked:
                indices = self._indices(epoch, number)
                yield self._batch([self._view(epoch, i) for i in indices], epoch, indices)
            return
        with ThreadPoolExecutor(self.workers) as threads:
            ahead: deque[tuple[int, list[int], list[Future[View]]]] = deque()
            for epoch, number in itertools.chain(asked, [(-1, -1)] * _AHEAD):
                if number >= 0:
                    indices = self._indices(epoch, number)
                    views = [threads.submit(self._view, epoch, i) for i in indices]
                    ahead.append((epoch, indices, views))
                if ahead and (number < 0 or len(ahead) > _AHEAD):
                    epoch, indices, views = ahead.popleft()
                    yield self._batch([view.result() for view in views], epoch, indices)

    def _indices(self, epoch: int, number: int) -> list[int]:
        count = len(self.images)
        places = slice(number * self.batch_size, (number + 1) * self.batch_size)
        if self.augmentation is None:
            return list(range(count))[places]
        return permutation(count, ORDER, self.seed, epoch)[places].tolist()

    def _view(self, epoch: int, index: int) -> View:
        image, pixels = self.images[index], self._pixels[index]
        if self.augmentation is None:
            sides = [image.width, image.height] * 2
            return View(
                evaluation_view(pixels, self.image_size),
                image.boxes / sides,
                np.ones(len(image.boxes), dtype=bool),
            )
        return training_view(
            pixels,
            image.boxes,
            self._key(epoch, [index]),
            self.augmentation,
            size=self.image_size,
            colour=self.mean,
        )

    def _key(self, epoch: int, indices: Sequence[int]) -> Tensor:
        return sample_keys(AUGMENTATION, self.seed, epoch, torch.tensor(indices))

    def _batch(self, views: Sequence[View], epoch: int, indices: Sequence[int]) -> Batch:
        pixels = torch.from_numpy(np.stack([view.pixels for view in views]))
        if self.augmentation is not None and self.augmentation.color_jitter:
            pixels = jitter(pixels, self._key(epoch, indices), self.augmentation.color_jitter)
        images = normalise(pixels.permute(0, 3, 1, 2), self.mean, self.std)
        rows = []
        for view, index in zip(views, indices, strict=True):
            image = self.images[index]
            shown = ~image.ignored[view.kept] | (self.augmentation is None)
            labels = image.labels[view.kept]
            rows.append(np.concatenate([labels[:, None], view.boxes], axis=1)[shown])
        most = max(1, *map(len, rows), 1)
        labels = torch.full((len(rows), most, 5), float(NO_BOX))
        for number, row in enumerate(rows):
            labels[number, : len(row)] = torch.from_numpy(row)
        return Batch(images.to(self.device), labels.to(self.device), torch.tensor(indices))
