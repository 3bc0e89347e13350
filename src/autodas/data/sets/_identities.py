"""Data sets for retrieval: samples of identities, of which those in the test split need not be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np

from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data_options import DataOptions
from autodas.errors import AutodasError, nearest

UNKNOWN = -1
"""Camera of samples without one."""
LEFT_OUT = -1
"""Identity of samples that do not take part."""


class Role(IntEnum):
    """Part of a test sample in retrieval: it is searched with, found, or both."""

    BOTH = 0
    QUERY = 1
    GALLERY = 2


def rows(identities: np.ndarray, cameras: Any = UNKNOWN, role: Role = Role.BOTH) -> np.ndarray:
    """Return the labels of samples, int64 (N, 3): identity, camera, role."""
    found = np.empty((len(identities), 3), dtype=np.int64)
    found[:, 0], found[:, 1], found[:, 2] = identities, cameras, role
    return found


def for_retrieval(name: str, raw: RawDataset[Any], options: DataOptions, *, train: bool) -> RawDataset[Any]:
    """Return a data set of classes as one of identities; one of identities is returned as it is.

    Every test sample is searched with among all others, unless the data set has queries and a gallery.

    Args:
        name: name of the data set, for messages.
        raw: the data.
        options: ``classes`` to train with, ``test_classes`` to test with.
        train: whether there is a training; otherwise ``classes`` are also to test with.

    Raises:
        AutodasError: if there are no classes, or samples would be both trained and tested.
    """
    if raw.task == "embedding":
        if options.classes or options.test_classes:
            raise AutodasError(
                f"{name}: its folders say what is tested: omit data.classes and data.test_classes"
            )
        return raw
    if raw.task != "classification":
        raise AutodasError(f"{name}: embeddings need samples of one class each, but the task is {raw.task}")
    for one in (*options.classes, *options.test_classes):
        if one not in raw.classes:
            raise AutodasError(f"{name}: unknown class '{one}'{nearest(one, list(raw.classes))}")
    trained = options.classes or tuple(one for one in raw.classes if one not in options.test_classes)
    tested = options.test_classes or (trained if train else options.classes or raw.classes)
    shared = sorted(set(trained) & set(tested))
    if train and raw.test is None and shared:
        raise AutodasError(
            f"{name}: has no test split: name the classes to test with, which are then not trained, with "
            "data.test_classes"
        )
    order = [*(trained if train else ()), *tested]
    places = {one: place for place, one in reversed(list(enumerate(order)))}

    def split(part: RawSplit[Any], names: Sequence[str]) -> RawSplit[Any]:
        known = [places[one] if one in names else LEFT_OUT for one in raw.classes]
        return replace(part, labels=rows(np.array(known)[part.labels]))

    test = raw.test or raw.train
    assert test is not None
    return replace(
        raw,
        train=None if raw.train is None else split(raw.train, trained),
        test=split(test, tested),
        classes=trained if train else tested,
        task="embedding",
    )
