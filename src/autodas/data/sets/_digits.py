"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.pixels._sources import ArraySource, Source
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data.splits._stratified import stratified_halves
from autodas.errors import AutodasError


def read_digits(rest: str) -> RawDataset[Source]:
    """Return 1,797 grey images of 8 x 8 pixels, values 0..16 scaled to 0..255; 360 are for testing."""
    if rest:
        raise AutodasError(f"data set 'digits' takes no path, found '{rest}': write digits")
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    train, test = (
        RawSplit[Source](ArraySource(pixels[part]), labels[part])
        for part in stratified_halves(labels, 0.8, 0)
    )
    return RawDataset(
        train=train,
        test=test,
        classes=tuple(str(d) for d in range(10)),
        # A mirrored digit is a different sign.
        augmentation=Augmentation(crop_padding=1),
        fixed=(8, 1),
    )
