"""The two halves of the training data, and their batches."""

from __future__ import annotations

from functools import partial

import numpy as np

from autodas.data import Augmentation, ImageDataset, Loader, Sampler
from autodas.loop import Compute

FEW = 256
"""Number of validation samples used to measure the cost of a late decision."""

SEVERAL = 1024
"""Number of training samples for the statistics of an architecture that is not the result."""


def search_halves(dataset: ImageDataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training samples of both halves: for the weights, for the architecture."""
    return dataset.train.halves(0.5, seed, "search", classes=dataset.classes)


class Halves:
    """Two stratified, seeded halves of the training data: one trains the weights, the other the architecture.

    Attributes:
        indices: indices of the samples of ``"train"`` and ``"validation"``.
        train, validation: loaders for the gradient steps, shuffled and augmented.
        train_plain: loader for statistics, without augmentation. The order is random: folders are ordered by
            class, and the mean variance of batches of one class is not that of the data.
        train_few: loader of a part of these samples.
        validation_plain: loader for evaluations, in order and without augmentation; shared by all processes,
            as are the gradient steps. With the other loaders each process computes everything.
        validation_few: loader of a part of the validation half, in random order, for quick evaluations.

    Args:
        dataset: data set whose training samples are split. Its test samples are not touched.
        batch_size: batch size of the gradient steps; capped at the size of a half.
        augmentation: augmentation of the samples in the gradient steps.
        seed: seed of the split, the order and the augmentation.
        compute: device of the batches, and how they are read. Where batch statistics matter, as many samples
            are processed at once as in one part of a gradient step.
        evaluated: batch size of evaluations on the whole validation half; by default the same.
        sampler: order of the samples that train the weights; ``None`` for each once in an epoch.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        compute: Compute,
        evaluated: int | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        train, validation = search_halves(dataset, seed)
        self.indices = {"train": train, "validation": validation}
        loader = partial(
            Loader,
            dataset.train,
            mean=dataset.mean,
            std=dataset.std,
            image_size=dataset.image_size,
            device=compute.place,
            workers=compute.workers,
        )
        part = compute.part
        steps = partial(loader, batch_size=batch_size, shuffle=True, augmentation=augmentation, part=part)
        at_once = max(1, batch_size // max(1, compute.micro_batches * part.of))
        plain = partial(loader, batch_size=at_once, shuffle=False, augmentation=None, seed=seed)
        self.train, self.validation = (
            steps(train, seed=seed, sampler=sampler),
            steps(validation, seed=seed + 1),
        )
        shuffled = np.random.default_rng(seed).permutation
        mixed = shuffled(train)
        self.train_plain, self.train_few = plain(mixed), plain(mixed[:SEVERAL])
        self.validation_plain = plain(validation, batch_size=evaluated or at_once, part=part)
        self.validation_few = plain(shuffled(_spread(validation, FEW)))
        self.few = min(FEW, len(validation))

    @property
    def last_batch(self) -> int:
        """Number of samples in the smaller last batch of an epoch, the larger of both halves; 0 for none."""
        rests = [len(half) % self.train.batch_size for half in self.indices.values()]
        return max(rest if rest > 1 else 0 for rest in rests)


def _spread(half: np.ndarray, count: int) -> np.ndarray:
    """Return some samples of a half, evenly spread: folders are ordered by class."""
    places = np.linspace(0, len(half) - 1, min(count, len(half))).astype(int)
    chosen: np.ndarray = half[places]
    return chosen
