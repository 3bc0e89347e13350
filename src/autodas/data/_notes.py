"""Notes on a data set that users should know before they rely on its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autodas.data._dataset import ImageDataset
from autodas.data._duplicates import duplicates

_UNBALANCED = 10
_TINY = 10
_NAMED = 5
_FAR = 1e4
"""Ratio of mean and deviation from which single precision loses digits of a number."""


def notes_of(data: ImageDataset, *, split_here: bool, well_known: bool) -> tuple[str, ...]:
    """Return notes on the resulting splits of a data set.

    Args:
        data: the data set.
        split_here: whether it had no test split, so that a part of it was used.
        well_known: whether its content is well known, so that copies need not be reported.
    """
    notes = []
    train, test, what = data.train, data.test, data.what
    if split_here:
        share = 100 * len(test) / (len(train) + len(test))
        found = f", {share:.1f} %" if data.options.subset is None else ""
        rule = "80/20" if train.keys is None else "about 80/20, by hashes of names"
        notes.append(
            f"{data.name} has no test split: it is split {rule} ({len(train)} {what} to train with, "
            f"{len(test)} to test{found})"
        )
    if len(train):
        notes += _counts(data)
        notes += _shared_groups(data)
        notes += [] if well_known else _copies(data)
    if data.bad:
        named = "; ".join(data.bad[:3]) + ("; ..." if len(data.bad) > 3 else "")
        notes.append(f"{len(data.bad)} {what} cannot be read and are skipped: {named}")
    return tuple(notes)


def _counts(data: ImageDataset) -> list[str]:
    if data.task == "regression":
        return _ranges(data)
    notes = []
    what, positive = data.what, "positive " if data.task == "multilabel" else ""
    counts, tested = (class_counts(split.labels, len(data.classes)) for split in (data.train, data.test))
    there = np.flatnonzero(counts)
    most, least = int(counts.argmax()), int(there[counts[there].argmin()])
    if counts[most] > _UNBALANCED * counts[least]:
        notes.append(
            f"unbalanced: class '{data.classes[most]}' has {counts[most]} {positive}training {what}, "
            f"'{data.classes[least]}' has {counts[least]}"
        )
    for numbers, words in (
        (np.flatnonzero(counts == 0), f"no {positive}training {what}"),
        (np.flatnonzero((counts > 0) & (counts < _TINY)), f"fewer than {_TINY} {positive}training {what}"),
        (np.flatnonzero(tested == 0) if data.task != "embedding" else there[:0], f"no {positive}test {what}"),
    ):
        if len(numbers):
            names = _some([data.classes[i] for i in numbers])
            notes.append(f"{words} in {len(numbers)} of {len(counts)} classes: {names}")
    return notes


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the number of samples of each class, or with each label, int64 (classes,)."""
    if labels.ndim > 1 and labels.dtype == np.int64:
        identities = labels[:, 0]  # of which those of test samples may be no class
        labels = identities[identities < classes]
    counts = labels.sum(0, dtype=np.int64) if labels.ndim > 1 else np.bincount(labels, minlength=classes)
    return np.asarray(counts)


def _ranges(data: ImageDataset) -> list[str]:
    means, deviations = data.train.labels.mean(0), data.train.labels.std(0)
    far = np.flatnonzero(abs(means) > _FAR * deviations)
    if not len(far):
        return []
    first = far[0]
    return [
        f"'{data.classes[first]}' varies by {deviations[first]:.3g} around {means[first]:.6g}: a network "
        "answers in single precision, so subtract a constant from it"
    ]


def _shared_groups(data: ImageDataset) -> list[str]:
    if data.train.groups is None or data.test.groups is None:
        return []
    both = sorted(set(data.train.groups) & set(data.test.groups))
    if not both:
        return []
    return [
        f"{len(both)} groups are in the training and in the test split, as the data have them: {_some(both)}"
    ]


def _copies(data: ImageDataset) -> list[str]:
    pairs = duplicates(data.train, data.test)
    if not pairs:
        return []
    test, train = pairs[0]
    return [
        f"{len(pairs)} of {len(data.test)} test {data.what} are training {data.what} too, byte for byte, "
        f"such as {test} = {train}: accuracy on them says little"
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
