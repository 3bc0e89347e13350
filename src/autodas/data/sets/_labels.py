"""Conversion of stored labels to class numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autodas.data_options import TaskName
from autodas.errors import AutodasError

_SHOWN = 10


@dataclass(frozen=True)
class StoredLabels:
    """Labels as stored in a file or returned by a function.

    Args:
        where: their origin, for messages.
        values: integers, fractional numbers or text, (N,); or a vector of numbers for each sample, (N, D).
        names: names of the classes, or of the D numbers, in order; ``None`` if unknown.
        counts: numbers of labels of the samples, which follow each other in ``values``, (samples,); ``None``
            for one value, or one vector, a sample.
    """

    where: str
    values: np.ndarray
    names: tuple[str, ...] | None = None
    counts: np.ndarray | None = None

    @property
    def numeric(self) -> bool:
        """Whether the labels are integers."""
        return self.values.dtype.kind in "iu"


@dataclass(frozen=True)
class NumberedLabels:
    """Labels as splits have them.

    Args:
        train, test: as in :class:`~autodas.data.splits._split.Split`; ``None`` without a split.
        classes, refusal, task, notes: as in :class:`~autodas.data.splits._parts.RawDataset`.
    """

    train: np.ndarray | None
    test: np.ndarray | None
    classes: tuple[str, ...]
    refusal: str | None = None
    task: TaskName = "classification"
    notes: tuple[str, ...] = ()


def number_labels(
    where: str, train: Sequence[StoredLabels], test: Sequence[StoredLabels] = ()
) -> NumberedLabels:
    """Return the class numbers of both splits and the names of the classes.

    Labels of several origins are matched by name. Integers whose names are the same everywhere are used
    unchanged. Without names, the classes are the distinct labels, in ascending order: numbers or text.
    A class that only test samples have is no class of the training data.

    Args:
        where: their origin, for messages.
        train, test: the parts of both splits; one may be empty.

    Raises:
        AutodasError: if labels are neither integers nor text, numbers have names in only some of the parts,
            or a label is not among the names.
    """
    parts, first = (*train, *test), train or test
    for part in parts:
        _check(part)
    named = next((part for part in parts if part.names is not None), None)
    numeric = all(part.numeric for part in parts)
    if named is not None:
        _check_named(named, parts)
        if numeric and all(part.names == named.names for part in parts):
            values = [part.values.astype(np.int64) for part in parts]
            return NumberedLabels(*in_splits(values, len(train)), named.names or ())
    elif numeric and any((part.values < 0).any() for part in parts):
        raise AutodasError(f"{where}: labels out of range: a negative label (is a split without labels?)")
    labelled = [_names_and_places(part) for part in parts]
    there = {name for names, _ in labelled[: len(first)] for name in names}
    everywhere = {name for names, _ in labelled for name in names}
    if named is None:
        known = sorted(there, key=int if numeric else None)
        classes = sorted(everywhere, key=int if numeric else None)
    else:
        known = list(dict.fromkeys(name for part in first for name in part.names or ()))
        if not there.issubset(known):
            raise AutodasError(_unknown(where, min(there.difference(known)), known))
        classes = [*known, *sorted(everywhere.difference(known))]
    number = {name: place for place, name in enumerate(classes)}
    values = [np.array([number[name] for name in names], np.int64)[places] for names, places in labelled]
    strange = sorted(everywhere.difference(known))
    refusal = _unknown(where, strange[0], known, test) if strange else None
    return NumberedLabels(*in_splits(values, len(train)), tuple(classes), refusal)


def _check(part: StoredLabels) -> None:
    values = part.values
    if part.counts is not None or values.ndim != 1 or values.dtype.kind not in "iuOUST":
        found = f"{values.dtype} of shape {values.shape}" if part.counts is None else "lists of labels"
        raise AutodasError(
            f"{part.where}: one whole number or text a label is expected for classification, found {found}"
        )


def _check_named(named: StoredLabels, parts: Sequence[StoredLabels]) -> None:
    """Raise AutodasError if some part has numbers without names."""
    other = next((part for part in parts if part.names is None and part.numeric), None)
    if other is not None:
        raise AutodasError(
            f"{named.where} has names for its labels, {other.where} has numbers without names, which may "
            "mean other classes: give both names, or text as labels"
        )


def _names_and_places(part: StoredLabels) -> tuple[list[str], np.ndarray]:
    """Return the names of the labels that occur, and for each sample the index of its label among them."""
    values = part.values if part.numeric else np.array([str(value) for value in part.values], dtype=str)
    different, places = np.unique(values, return_inverse=True)
    if part.numeric and part.names is not None:
        outside = different[(different < 0) | (different >= len(part.names))]
        if len(outside):
            raise AutodasError(
                f"{part.where}: labels out of range: {outside[0]}, but there are names for "
                f"{len(part.names)} classes, numbered from 0"
            )
        return [part.names[value] for value in different.tolist()], places
    return [str(value) for value in different.tolist()], places


def in_splits(values: list[np.ndarray], train: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the values of the first parts, and of the others, each in one array."""
    first, second = (np.concatenate(part) if part else None for part in (values[:train], values[train:]))
    return first, second


def _unknown(where: str, label: str, known: Sequence[str], test: Sequence[StoredLabels] = ()) -> str:
    """Return the message that a label is not among the classes, with those of both splits."""
    named = list(dict.fromkeys(name for part in test for name in part.names or ()))
    return (
        f"{where}: label '{label}' is not one of the {len(known)} classes of the training images "
        f"({_some(known)})" + (f"; the test images have the classes {_some(named)}" if named else "")
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
