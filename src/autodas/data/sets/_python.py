"""Images from a user-defined function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autodas.data.files._progress import evenly_spaced
from autodas.data.pixels._decode import channels_first
from autodas.data.pixels._sources import ArraySource, ItemSource, Source
from autodas.data.sets._answers import read_answers, stored_labels
from autodas.data.sets._labels import StoredLabels
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data_options import DataOptions
from autodas.errors import AutodasError
from autodas.user_code import import_function

_COMPARED = 20
"""Number of labels that are compared."""


def read_python(rest: str, options: DataOptions) -> RawDataset[Source]:
    """Call ``fn("train")`` and ``fn("test")`` of ``module:fn``; the latter may return ``None``."""
    if options.targets:
        raise AutodasError(
            f"python:{rest}: arrays have no columns of which `data.targets` could name some: omit it"
        )
    function = import_function(rest, f"data set 'python:{rest}'")
    train, test = (_read(function, rest, split) for split in ("train", "test"))
    if train is None:
        raise AutodasError(f"python:{rest}('train'): images and labels are expected, found None")
    stored = [labels for _, labels in filter(None, (train, test))]
    # Class names given for one split apply to both.
    names = next((labels.names for labels in stored if labels.names is not None), None)
    stored = [replace(labels, names=labels.names or names) for labels in stored]
    labels = read_answers(f"python:{rest}", stored[:1], stored[1:], options)
    assert labels.train is not None
    return RawDataset(
        train=RawSplit(train[0], labels.train),
        test=None if test is None or labels.test is None else RawSplit(test[0], labels.test),
        classes=labels.classes,
        notes=labels.notes,
        refusal=labels.refusal,
        task=labels.task,
    )


def _read(function: Any, rest: str, split: str) -> tuple[Source, StoredLabels] | None:
    where = f"python:{rest}('{split}')"
    try:
        returned = function(split)
        if returned is None:
            return None
        if isinstance(returned, tuple | list) and len(returned) in (2, 3):
            names = tuple(str(name) for name in returned[2]) if len(returned) == 3 else None
            return _arrays(where, returned[0], returned[1]), stored_labels(where, returned[1], names)
        if not hasattr(returned, "__getitem__") or not hasattr(returned, "__len__"):
            raise AutodasError(
                f"{where}: (images, labels), (images, labels, class names) or a torch Dataset is expected, "
                f"found {type(returned).__name__}"
            )
        classes = getattr(returned, "classes", None)
        names = tuple(str(name) for name in classes) if classes is not None else None
        return ItemSource(returned, 0, where), stored_labels(where, _item_labels(where, returned), names)
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


def _item_labels(where: str, dataset: Any) -> Any:
    # torchvision's data sets store their labels in "targets"; reading them there decodes nothing.
    targets = getattr(dataset, "targets", None)
    if targets is not None and len(targets) == len(dataset) and _agree(where, dataset, targets):
        return targets
    return [_item_label(where, dataset, index) for index in range(len(dataset))]


def _agree(where: str, dataset: Any, targets: Any) -> bool:
    """Return whether targets are the labels of the items, which may be transformed on access."""
    if getattr(dataset, "target_transform", None) is not None:
        return False
    for index in evenly_spaced(len(dataset), _COMPARED):
        try:
            label = _item_label(where, dataset, index)
        except AutodasError:
            raise
        except Exception:  # an unreadable image is counted later
            continue
        if not np.array_equal(np.asarray(label), np.asarray(targets[index])):
            return False
    return True


def _item_label(where: str, dataset: Any, index: int) -> Any:
    item = dataset[index]
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise AutodasError(f"{where}, item {index}: (image, label) is expected")
    return item[1]
