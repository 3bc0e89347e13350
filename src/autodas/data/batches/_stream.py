"""Reading of batches from files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.augmentation._random import AUGMENTATION, sample_keys
from autodas.data.pixels._decode import UnreadableError
from autodas.data.splits._split import Split


class Request(NamedTuple):
    """One batch to be read: the samples ``indices`` in the epoch, and the ``views`` of them.

    An index beyond the split is a repetition: a sample that has been drawn before in the epoch. A sample of
    which several views are requested is repeated, without others in between. ``share`` is the fraction that
    they are of the batch that several processes share.
    """

    epoch: int
    indices: Tensor
    views: Tensor
    share: float = 1.0


class Answer(NamedTuple):
    """One batch that has been read.

    ``asked`` are the requested samples of the views, ``found`` those that they actually show: they differ
    where a bad file was replaced. ``bad`` maps bad samples to reasons, ``share`` is that of the request.
    """

    epoch: int
    pixels: Tensor
    asked: Tensor
    found: Tensor
    bad: dict[int, str]
    share: float


class Reader:
    """Reader of requests. It is sent to the workers once.

    Args:
        split: the samples.
        pool: the loader's samples, sorted.
        seed: seed of the augmentation.
        augmentation: augmentation in training; ``None`` for evaluation.
        views: number of evaluated views of a sample.
        crops: number of them that are crops of the same clip.
        replace_bad: whether to replace a bad sample by the next readable sample of ``pool``, instead of
            skipping it.
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

    def answer(self, request: Request) -> Answer:
        """Read one batch; raises AutodasError."""
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
            request.share,
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """Yield the sample, then its possible replacements: a function of the sample alone."""
        index %= len(self.split)
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
    """Yield each sample once, with its consecutive views."""
    for index, group in groupby(zip(indices, views, strict=True), key=lambda pair: pair[0]):
        yield index, [view for _, view in group]
