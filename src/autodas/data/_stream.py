"""Reading batches of image files, in this process or in workers."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from autodas.data._crops import random_boxes
from autodas.data._decode import UnreadableImageError, box_view, evaluation_view
from autodas.data._images import Images
from autodas.data._random import AUGMENTATION, sample_keys
from autodas.errors import AutodasError


class Request(NamedTuple):
    """One batch to be read: the samples ``indices`` in the epoch."""

    epoch: int
    indices: Tensor


class Answer(NamedTuple):
    """One batch that has been read.

    ``asked`` are the samples of the request whose places the images take, ``found`` those that the
    images are of: they differ where a bad file was replaced. ``bad`` maps bad samples to reasons.
    """

    epoch: int
    pixels: Tensor
    asked: Tensor
    found: Tensor
    bad: dict[int, str]
    error: str | None


class Reader(Dataset[Any]):
    """Reads requests. It is sent to the workers once.

    Args:
        images: the split.
        pool: the loader's samples, sorted.
        image_size: side of the results.
        seed: of the augmentation.
        resized_crop: take random resized crops.
        replace_bad: put the next readable sample of ``pool`` in the place of a bad one, otherwise
            leave it out.
    """

    def __init__(
        self,
        images: Images,
        pool: np.ndarray,
        *,
        image_size: int,
        seed: int,
        resized_crop: bool,
        replace_bad: bool,
    ) -> None:
        self.images, self.pool = images, pool
        self.image_size, self.seed = image_size, seed
        self.resized_crop, self.replace_bad = resized_crop, replace_bad

    def __getitems__(self, request: Request) -> Answer:
        """Read one batch; errors travel back as text, so that no worker's traceback is wrapped around."""
        try:
            return self._read(request)
        except AutodasError as error:
            nothing = torch.zeros(0, dtype=torch.int64)
            return Answer(request.epoch, nothing, nothing, nothing, {}, str(error))

    def _read(self, request: Request) -> Answer:
        keys = sample_keys(AUGMENTATION, self.seed, request.epoch, request.indices)
        views, asked, found = [], [], []
        bad: dict[int, str] = {}
        for index, key in zip(request.indices.tolist(), keys, strict=True):
            for candidate in self._candidates(index):
                try:
                    views.append(self._view(candidate, key))
                except UnreadableImageError as error:
                    bad[candidate] = f"{self.images.describe(candidate)}: {error}"
                    continue
                asked.append(index)
                found.append(candidate)
                break
        side, channels = self.image_size, self.images.channels
        pixels = np.stack(views) if views else np.zeros((0, side, side, channels), dtype=np.uint8)
        return Answer(
            request.epoch,
            torch.from_numpy(pixels),
            torch.tensor(asked, dtype=torch.int64),
            torch.tensor(found, dtype=torch.int64),
            bad,
            None,
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """Yield the sample, then what may stand in for it: a function of the sample alone."""
        if not self.replace_bad:
            yield index
            return
        place = int(np.searchsorted(self.pool, index))
        for step in range(len(self.pool)):
            yield int(self.pool[(place + step) % len(self.pool)])

    def _view(self, index: int, key: Tensor) -> np.ndarray:
        image = self.images.open(index)
        if not self.resized_crop:
            return evaluation_view(image, self.image_size)
        box = random_boxes(key[None], np.array([image.height]), np.array([image.width]))[0]
        return box_view(image, box.tolist(), self.image_size)


class Workers:
    """A pool of worker processes that answers one series of requests after another.

    Args:
        reader: what the workers run.
        workers: how many.
        pin: put results in pinned memory, for copies to a CUDA device.
    """

    def __init__(self, reader: Reader, workers: int, *, pin: bool) -> None:
        self.busy = False
        self._series = _Series()
        self._loader: DataLoader[Any] = DataLoader(
            reader,
            batch_sampler=self._series,  # type: ignore[arg-type]  # requests are more than indices
            num_workers=workers,
            collate_fn=_unchanged,
            persistent_workers=True,
            pin_memory=pin,
            # Of its own: otherwise starting the workers would advance the generator of the program.
            generator=torch.Generator(),
        )

        # The registry of finalizers keeps the pool whole until this object is gone. In a cycle of garbage,
        # such as a traceback makes, its queues could be closed before the workers are told to stop.
        weakref.finalize(self, _drain, self._series, self._loader)

    def answers(self, requests: Iterator[Request]) -> Generator[Answer, None, None]:
        """Yield the answers in the order of the requests; may be left early."""
        self.busy = True
        try:
            self._series.requests, self._series.started = requests, True
            yield from self._loader
        finally:
            self.busy = False


class _Series:
    """The requests of the moment; what the pool takes its work from."""

    def __init__(self) -> None:
        self.requests: Iterator[Request] = iter(())
        self.started = False

    def __iter__(self) -> Iterator[Request]:
        return self.requests


def _drain(series: _Series, loader: DataLoader[Any]) -> None:
    """Fetch what the workers are still reading: with answers left over, each takes seconds to stop."""
    if not series.started:
        return
    series.requests = iter(())
    # A worker that has died needs no farewell.
    with contextlib.suppress(RuntimeError):
        for _ in loader:
            pass


def _unchanged(answer: Any) -> Any:
    return answer
