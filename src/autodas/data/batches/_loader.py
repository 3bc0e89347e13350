"""Batches of augmented, normalised images or clips."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from autodas.data.augmentation._augmentation import Augmentation, finish
from autodas.data.augmentation._random import AUGMENTATION, sample_keys
from autodas.data.batches._samplers import Sampler, each_once, repeats
from autodas.data.batches._stream import Answer, Reader, Request
from autodas.data.batches._workers import Workers, shared_workers
from autodas.data.splits._split import Split
from autodas.errors import AutodasError
from autodas.terminal import message


class Batch(NamedTuple):
    """Images, or clips of videos, with labels.

    ``images``: float32 (B, C, S, S), for clips (B, C, T, S, S), normalised, on the device. ``labels``: what
    the network should answer, as in :class:`~autodas.data.splits._split.Split`: int64 (B,) for classes, uint8
    or float64 (B, K) for several labels or targets. ``indices``: int64 (B,), indices of the samples in the
    split. ``share``: fraction that they are of the batch that all processes share; 0 if the batch is too
    small for this process to have a part of it, so that it repeats the first part.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    share: float = 1.0


class Part(NamedTuple):
    """A process's part of the data.

    While shuffling, each process has a part of each batch, of at least two samples; otherwise, in
    evaluations, every so many of the batches.

    Attributes:
        number: number of the process, from 0.
        of: number of processes.
    """

    number: int = 0
    of: int = 1

    def of_batch(self, size: int) -> tuple[slice, float]:
        """Return the places of the part in a batch of the given size, and its share."""
        parts = max(1, min(self.of, size // 2))
        own = self.number if self.number < parts else 0
        # The first ones have one more, as those of micro-batches.
        least, more = divmod(size, parts)
        start, count = own * least + min(own, more), least + (own < more)
        return slice(start, start + count), count / size if own == self.number else 0.0


WHOLE = Part()


class Loader:
    """Loader of batches, which are the same for the same arguments, on every machine and from any start.

    The order of an epoch is a function of (seed, epoch), the augmentation of a sample one of (seed, epoch,
    index), and of how often the sample has been drawn in the epoch before. There is no other state, so
    resuming a run only requires the number of batches that it has consumed. Samples in memory are kept on the
    device and augmented there; others are read by ``workers``.

    While shuffling, a last batch of one sample is dropped (batch normalisation cannot use it). A sample
    that cannot be read is replaced by the next of the loader's samples while shuffling, and skipped
    otherwise; this is reported once, on standard error.

    Args:
        split: the samples.
        indices: indices of the samples to load, ``None`` for all.
        batch_size: at least 1; capped at the number of samples (in evaluation: of their views).
        mean: mean of each channel, on the scale 0..1.
        std: standard deviation of each channel, likewise.
        image_size: image size with which the split was opened.
        seed: seed of order and augmentation.
        shuffle: whether each epoch has a new order, as in training.
        augmentation: augmentation; ``None`` for evaluation.
        device: device of the batches.
        workers: number of processes that read files, shared by all loaders of this process; 0 reads in this
            process. Without effect for samples in memory.
        channels_last: memory format of the batches.
        views: number of evaluated clips of each video; they follow each other, with equal ``indices``.
        crops: number of crops of each of these clips: the centre, or crops along the longer side.
        part: the part of this process, if several share the batches.
        sampler: order of the samples while shuffling; ``None`` for each once, in random order.

    Raises:
        AutodasError: if there are no samples, an index is out of range, or sizes do not fit.

    Examples:
        >>> import autodas
        >>> digits = autodas.open_dataset("digits")
        >>> loader = autodas.Loader(
        ...     digits.test,
        ...     None,
        ...     batch_size=64,
        ...     mean=digits.mean,
        ...     std=digits.std,
        ...     image_size=digits.image_size,
        ...     seed=0,
        ...     shuffle=False,
        ...     augmentation=None,
        ... )
        >>> next(loader.batches(0)).images.shape
        torch.Size([64, 1, 8, 8])
    """

    def __init__(
        self,
        split: Split,
        indices: np.ndarray | None,
        *,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        image_size: int,
        seed: int,
        shuffle: bool,
        augmentation: Augmentation | None,
        device: torch.device | str = "cpu",
        workers: int = 0,
        channels_last: bool = True,
        views: int = 1,
        crops: int = 1,
        part: Part = WHOLE,
        sampler: Sampler | None = None,
    ) -> None:
        chosen = np.arange(len(split)) if indices is None else np.array(indices, dtype=np.int64)
        if len(chosen) == 0:
            raise AutodasError(f"there are no {split.what} to load")
        if chosen.min() < 0 or chosen.max() >= len(split):
            raise AutodasError(f"sample numbers out of range: the split has {len(split)} {split.what}")
        if min(batch_size, views, crops) < 1 or workers < 0:
            raise AutodasError(
                "batch_size, views and crops must be at least 1 and workers at least 0, "
                f"found {batch_size}, {views}, {crops} and {workers}"
            )
        if image_size != split.image_size:
            raise AutodasError(
                f"the data set was opened for {split.what} of {split.image_size} pixels, {image_size} are "
                f"requested: open it with image_size={image_size}"
            )
        if augmentation is not None:
            split.check_augmentation(augmentation)
        # In memory there is one clip of each video, which is its only crop.
        alone = augmentation is not None or split.in_memory
        self.views, crops = (1, 1) if alone else (views * crops, crops)
        self.batch_size = min(batch_size, len(chosen) * self.views)
        self.device = torch.device(device)
        self._split, self._samples = split, torch.from_numpy(chosen)
        self._mean, self._std, self._size = tuple(mean), tuple(std), image_size
        self._seed, self._shuffle, self._augmentation = seed, shuffle, augmentation
        self._channels_last = channels_last
        self._part, self._sampler = part, sampler or each_once
        self._in_memory = split.in_memory
        self._worker_count = 0 if self._in_memory else workers
        self._workers: Workers | None = None
        self._bad: dict[int, str] = {}
        self._reader = Reader(
            split,
            np.sort(chosen),
            seed=seed,
            augmentation=augmentation,
            views=self.views,
            crops=crops,
            replace_bad=shuffle,
        )

    def __len__(self) -> int:
        """Return the number of batches per epoch, of all processes together."""
        full, rest = divmod(len(self._samples) * self.views, self.batch_size)
        return full + (rest > 0 and not (self._shuffle and rest == 1))

    @property
    def shared(self) -> bool:
        """Whether several processes share the batches."""
        return self._part.of > 1

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch, or the part of this process.

        Args:
            epoch: number of the epoch, from 0.
            start: number of the first batch.
        """
        if self._in_memory:
            return self._from_memory(epoch, start)
        return self._from_files(self._requests(epoch, start))

    def blank(self, samples: int) -> Tensor:
        """Return black images, or clips, in the shape of a batch of the given number of samples."""
        *frames, height, width, channels = self._split.view_shape()
        return torch.zeros(samples, channels, *frames, height, width, device=self.device)

    def stream(self, step: int = 0) -> Iterator[Batch]:
        """Yield batches indefinitely, epoch after epoch.

        Args:
            step: global number of the first batch, ``epoch * len(loader) + position``.
        """
        epoch, start = divmod(step, len(self))
        starts = ((e, start if e == epoch else 0) for e in itertools.count(epoch))
        if self._in_memory:
            return itertools.chain.from_iterable(self._from_memory(e, s) for e, s in starts)
        # A single series of requests: the workers continue reading across the end of an epoch.
        return self._from_files(itertools.chain.from_iterable(self._requests(e, s) for e, s in starts))

    @property
    def bad(self) -> tuple[str, ...]:
        """The samples that this loader has failed to read so far, each with the reason."""
        return tuple(self._bad.values())

    def _order(self, epoch: int) -> Tensor:
        """Return the draws of an epoch: indices of samples, plus the size of the split for each repeat."""
        if not self._shuffle:
            return self._samples
        labels = self._split.labels[self._samples.numpy()]
        places = self._sampler(labels, self._seed, epoch)
        return self._samples[places] + repeats(places) * len(self._split)

    def _from_memory(self, epoch: int, start: int) -> Iterator[Batch]:
        pixels, labels = self._split.on_device(self.device)
        order = self._order(epoch)
        for places, share in self._own(start):
            asked = order[places]
            indices = (asked % len(self._split)).to(self.device, non_blocking=True)
            batch = self._finish(pixels[indices], labels[indices], asked, indices, epoch, cropped=False)
            yield batch._replace(share=share)

    def _requests(self, epoch: int, start: int) -> Iterator[Request]:
        order = self._order(epoch).repeat_interleave(self.views)
        views = torch.arange(self.views).repeat(len(self._samples))
        for places, share in self._own(start):
            yield Request(epoch, order[places].clone(), views[places].clone(), share)

    def _own(self, start: int) -> Iterator[tuple[slice, float]]:
        """Yield the places in an epoch of the part of this process in each batch, and its share."""
        for number in range(start, len(self)):
            first = number * self.batch_size
            size = min(self.batch_size, len(self._samples) * self.views - first)
            if self._shuffle:
                own, share = self._part.of_batch(size)
                yield slice(first + own.start, first + own.stop), share
            elif number % self._part.of == self._part.number:
                yield slice(first, first + size), 1.0

    def _from_files(self, requests: Iterator[Request]) -> Iterator[Batch]:
        labels = torch.from_numpy(self._split.labels)
        # Closed at once also after an error, when a traceback would keep the workers waiting.
        with contextlib.closing(self._answers(requests)) as answers:
            for answer in answers:
                self._check(answer)
                if len(answer.found) == 0:
                    continue
                pixels, found, target = (
                    t.to(self.device, non_blocking=True)
                    for t in (answer.pixels, answer.found, labels[answer.found])
                )
                batch = self._finish(pixels, target, answer.asked, found, answer.epoch, cropped=True)
                yield batch._replace(share=answer.share)

    def _answers(self, requests: Iterator[Request]) -> Generator[Answer, None, None]:
        if self._worker_count == 0:
            return (self._reader.answer(request) for request in requests)
        if self._workers is None or not self._workers.whole:
            self._workers = shared_workers(self._worker_count)
        return self._workers.answers(self._reader, requests, pin=self.device.type == "cuda")

    def _check(self, answer: Answer) -> None:
        for index, reason in answer.bad.items():
            if index not in self._bad:
                done = "replaced by the next one" if self._shuffle else "skipped"
                print(message(f"cannot be read, {done}: {reason}"), file=sys.stderr)
        self._bad.update(answer.bad)
        if len(self._bad) > self._split.bad_allowed:
            raise AutodasError(
                f"{len(self._bad)} more {self._split.what} cannot be read, {self._split.bad_allowed} are "
                f"allowed ({'; '.join(self._bad.values())}): repair or remove them, or allow more with "
                "`data.max_bad`"
            )

    def _finish(
        self, pixels: Tensor, labels: Tensor, asked: Tensor, found: Tensor, epoch: int, *, cropped: bool
    ) -> Batch:
        images = finish(
            pixels,
            sample_keys(AUGMENTATION, self._seed, epoch, asked),
            self._augmentation,
            size=self._size,
            mean=self._mean,
            std=self._std,
            cropped=cropped,
        )
        if not self._channels_last:
            images = images.contiguous()
        return Batch(images, labels, found)
