"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from autodas.data._augmentation import Augmentation
from autodas.data._parts import RawDataset, RawSplit
from autodas.data._sources import ArraySource, Source
from autodas.errors import AutodasError


def read_digits(rest: str) -> RawDataset[Source]:
    """Return 1,797 images of 8 x 8 pixels, grey, values 0..16 scaled to 0..255."""
    if rest:
        raise AutodasError(f"data set 'digits' takes no path, found '{rest}': write digits")
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return RawDataset(
        train=RawSplit(ArraySource(pixels), digits.target.astype(np.int64)),
        test=None,
        classes=tuple(str(d) for d in range(10)),
        # A mirrored digit is another sign.
        augmentation=Augmentation(crop_padding=1),
        fixed=(8, 1),
    )
