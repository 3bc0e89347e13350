"""The two halves of the training pictures, and the batches that are made of them."""

from __future__ import annotations

from functools import partial

import numpy as np

from autodas.data import Augmentation, ImageDataset, Loader
from autodas.loop import Compute

FEW = 256
"""How many validation pictures measure what a late decision costs."""


def search_halves(dataset: ImageDataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the training samples of both halves: for the weights, for the architecture."""
    return dataset.train.halves(0.5, seed, "search", classes=dataset.classes)


class Halves:
    """Weights are trained on one half, the architecture on the other; stratified and seeded.

    Attributes:
        indices: the numbers of the pictures of ``"train"`` and ``"validation"``.
        train, validation: shuffled and augmented, for the gradient steps.
        train_plain, validation_plain: in order and not augmented, for evaluations.
        validation_few: some pictures of the validation half, for quick evaluations.

    Args:
        dataset: whose training pictures are split. Its test pictures are not touched.
        batch_size: of the gradient steps; capped at the size of a half.
        augmentation: of the pictures in the gradient steps.
        seed: of the split, the order and the augmentation.
        compute: where batches are, and how they are read. Evaluations take as many pictures at once as one
            part of a gradient step has, so that they need no more memory than steps.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        compute: Compute,
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
        steps = partial(loader, batch_size=batch_size, shuffle=True, augmentation=augmentation)
        at_once = max(1, batch_size // max(1, compute.micro_batches))
        plain = partial(loader, batch_size=at_once, shuffle=False, augmentation=None, seed=seed)
        self.train, self.validation = steps(train, seed=seed), steps(validation, seed=seed + 1)
        self.train_plain, self.validation_plain = plain(train), plain(validation)
        self.validation_few = plain(_spread(validation, FEW))
        self.few = min(FEW, len(validation))


def _spread(half: np.ndarray, count: int) -> np.ndarray:
    """Return some of a half's pictures, evenly spread: folders are ordered by class."""
    places = np.linspace(0, len(half) - 1, min(count, len(half))).astype(int)
    chosen: np.ndarray = half[places]
    return chosen
