"""Images from a function of the user's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodas.data._decode import channels_first
from autodas.data._labels import number_labels
from autodas.data._parts import RawDataset, RawSplit
from autodas.data._sources import ArraySource, ItemSource, Source
from autodas.errors import AutodasError
from autodas.user_code import import_function


def read_python(rest: str) -> RawDataset[Source]:
    """Call ``fn("train")`` and ``fn("test")`` of ``module:fn``; the latter may return ``None``."""
    function = import_function(rest, f"data set 'python:{rest}'")
    train, test = (_read(function, rest, split) for split in ("train", "test"))
    if train is None:
        raise AutodasError(f"python:{rest}('train'): images and labels are expected, found None")
    (first, second), classes = number_labels(
        f"python:{rest}", train[1], None if test is None else test[1], train[2]
    )
    return RawDataset(
        train=RawSplit(train[0], first),
        test=None if test is None or second is None else RawSplit(test[0], second),
        classes=classes,
    )


def _read(function: Any, rest: str, split: str) -> tuple[Source, np.ndarray, tuple[str, ...] | None] | None:
    where = f"python:{rest}('{split}')"
    try:
        found = function(split)
        if found is None:
            return None
        if isinstance(found, tuple | list) and len(found) in (2, 3):
            names = tuple(str(name) for name in found[2]) if len(found) == 3 else None
            return _arrays(where, found[0], found[1]), np.asarray(found[1]), names
        if not hasattr(found, "__getitem__") or not hasattr(found, "__len__"):
            raise AutodasError(
                f"{where}: (images, labels), (images, labels, class names) or a torch Dataset is expected, "
                f"found {type(found).__name__}"
            )
        classes = getattr(found, "classes", None)
        names = tuple(str(name) for name in classes) if classes is not None else None
        return ItemSource(found, 0, where), _item_labels(where, found), names
    except AutodasError:
        raise
    except Exception as error:
        raise AutodasError(f"{where}: failed with {type(error).__name__}: {error}") from error


def _arrays(where: str, images: Any, labels: Any) -> ArraySource:
    array = np.asarray(images)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype.kind not in "biuf" or channels_first(array.shape):
        hint = ": put the channels last" if channels_first(array.shape) else ""
        raise AutodasError(
            f"{where}: numbers of shape (N, H, W) or (N, H, W, C) are expected, "
            f"found {array.dtype} {array.shape}{hint}"
        )
    if len(array) != len(labels):
        raise AutodasError(f"{where}: {len(array)} images but {len(labels)} labels")
    return ArraySource(array)


def _item_labels(where: str, dataset: Any) -> np.ndarray:
    # torchvision's data sets hold their labels in "targets"; reading them there decodes nothing.
    targets = getattr(dataset, "targets", None)
    if targets is not None and len(targets) == len(dataset):
        return np.asarray(targets)
    labels = []
    for index in range(len(dataset)):
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise AutodasError(f"{where}, item {index}: (image, label) is expected")
        labels.append(item[1])
    return np.asarray(labels)
