"""Reading batches of files, in this process or in workers."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Generator, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from autodas.data._augmentation import Augmentation
from autodas.data._decode import UnreadableError
from autodas.data._random import AUGMENTATION, sample_keys
from autodas.data._split import Split
from autodas.errors import AutodasError


class Request(NamedTuple):
    """One batch to be read: the samples ``indices`` in the epoch, and which ``views`` of them.

    A sample of which several views are asked for stands there as often, one after the other.
    """

    epoch: int
    indices: Tensor
    views: Tensor


class Answer(NamedTuple):
    """One batch that has been read.

    ``asked`` are the samples of the request whose places the views take, ``found`` those that the
    views are of: they differ where a bad file was replaced. ``bad`` maps bad samples to reasons.
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
        split: the samples.
        pool: the loader's samples, sorted.
        seed: of the augmentation.
        augmentation: of training; ``None`` for evaluation.
        views: how many views of a sample are evaluated.
        crops: how many of them are crops of the same clip.
        replace_bad: put the next readable sample of ``pool`` in the place of a bad one, otherwise
            leave it out.
    """

    def __init__(
        self,
        split: Split,
        pool: np.ndarray,
        *,
        seed: int,
        augmentation: Augmentation | None,
        views: int,
        crops: int,
        replace_bad: bool,
    ) -> None:
        self.split, self.pool = split, pool
        self.seed, self.augmentation = seed, augmentation
        self.views, self.crops, self.replace_bad = views, crops, replace_bad

    def __getitems__(self, request: Request) -> Answer:
        """Read one batch; errors travel back as text, so that no worker's traceback is wrapped around."""
        try:
            return self._read(request)
        except AutodasError as error:
            nothing = torch.zeros(0, dtype=torch.int64)
            return Answer(request.epoch, nothing, nothing, nothing, {}, str(error))

    def _read(self, request: Request) -> Answer:
        keys = dict(
            zip(
                request.indices.tolist(),
                sample_keys(AUGMENTATION, self.seed, request.epoch, request.indices),
                strict=True,
            )
        )
        views, asked, found = [], [], []
        bad: dict[int, str] = {}
        for index, numbers in _runs(request.indices.tolist(), request.views.tolist()):
            for candidate in self._candidates(index):
                try:
                    views += self._views(candidate, keys[index], numbers)
                except UnreadableError as error:
                    bad[candidate] = f"{self.split.describe(candidate)}: {error}"
                    continue
                asked += [index] * len(numbers)
                found += [candidate] * len(numbers)
                break
        pixels = np.stack(views) if views else np.zeros((0, *self.split.view_shape()), dtype=np.uint8)
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

    def _views(self, index: int, key: Tensor, numbers: list[int]) -> list[np.ndarray]:
        if self.augmentation is None:
            return self.split.evaluation_views(index, numbers, self.views, self.crops)
        return [self.split.training_view(index, key, self.augmentation) for _ in numbers]


def _runs(indices: list[int], views: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield each sample once, with the views of it that follow each other."""
    for index, group in groupby(zip(indices, views, strict=True), key=lambda pair: pair[0]):
        yield index, [view for _, view in group]


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
