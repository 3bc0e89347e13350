"""Labels of arrays and tables, for any task: the form of the stored values decides, unless the user does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autodas.data.sets._labels import NumberedLabels, StoredLabels, in_splits, number_labels
from autodas.data_options import DataOptions, TaskName
from autodas.errors import AutodasError


def stored_labels(where: str, values: Any, names: tuple[str, ...] | None = None) -> StoredLabels:
    """Return the labels of samples from an array, or a list of labels, of lists of labels, or of vectors.

    A list (or tuple, or set) is the labels of a sample; an array is a vector of numbers, and so is a list of
    fractional numbers.

    Args:
        where: their origin, for messages.
        values: one entry for each sample.
        names: as in :class:`StoredLabels`.

    Raises:
        AutodasError: if vectors have different lengths, or a label is twice in a list.
    """
    array = np.asarray(values) if hasattr(values, "__array__") else None
    if array is not None and array.dtype != object:
        return StoredLabels(where, array, names)
    rows = list(values)
    if not any(_is_row(row) for row in rows):
        return StoredLabels(where, np.asarray(rows), names)
    odd = next((number for number, row in enumerate(rows) if not _is_row(row)), None)
    if odd is not None:
        raise AutodasError(f"{where}, sample {odd}: a list is expected as of others, found {rows[odd]!r}")
    lists = [np.asarray(sorted(row) if isinstance(row, set) else row) for row in rows]
    fractions = any(row.dtype.kind == "f" and len(row) for row in lists)
    vectors = fractions or all(hasattr(row, "__array__") for row in rows)
    lengths = {len(row) for row in lists}
    if vectors and len(lengths) == 1:
        return StoredLabels(where, np.stack(lists), names)
    usual = Counter(map(len, lists)).most_common(1)[0][0]
    for number, row in enumerate(lists):
        if fractions and len(row) != usual:
            raise AutodasError(f"{where}, sample {number}: {len(row)} numbers, other samples have {usual}")
        if len(set(row.tolist())) < len(row):
            raise AutodasError(
                f"{where}, sample {number}: a label is twice in its list ({', '.join(map(str, row[:10]))}); "
                "0 and 1 for each class are an array, or columns"
            )
    counts = np.array([len(row) for row in lists], dtype=np.int64)
    filled = [row for row in lists if len(row)]
    return StoredLabels(where, np.concatenate(filled) if filled else np.zeros(0, np.int64), names, counts)


def _is_row(value: Any) -> bool:
    return isinstance(value, list | tuple | set) or (hasattr(value, "__array__") and np.ndim(value) == 1)


def read_answers(
    where: str, train: Sequence[StoredLabels], test: Sequence[StoredLabels], options: DataOptions
) -> NumberedLabels:
    """Return the labels of both splits for the task that the user wants, or that the stored values suggest.

    Args:
        where: their origin, for messages.
        train, test: the parts of both splits; one may be empty.
        options: ``task``.

    Raises:
        AutodasError: if values do not fit the task, or are of several forms.
    """
    task = _task_of(train or test) if options.answers == "auto" else options.answers
    if task == "classification":
        return number_labels(where, train, test)
    found = (_numbers if task == "regression" else _labels)(where, train, test)
    return replace(found, task=task, notes=(f"{where}: {found.notes[0]}", *found.notes[1:]))


def _task_of(parts: Sequence[StoredLabels]) -> TaskName:
    tasks = {_suggested(part) for part in parts}
    if len(tasks) > 1:
        raise AutodasError(
            f"{parts[0].where}: the parts have labels for different tasks ({', '.join(sorted(tasks))}): "
            "choose one with `task`"
        )
    return tasks.pop()


def _suggested(part: StoredLabels) -> TaskName:
    values = part.values
    if part.counts is not None:
        return "multilabel"
    if values.ndim == 2 and values.dtype.kind in "biuf":
        if np.isin(values, (0, 1)).all():
            return "multilabel"
        if values.dtype.kind != "f":
            raise AutodasError(
                f"{part.where}: whole numbers of shape {values.shape} are neither one label a sample nor 0 "
                "and 1 for each class: give labels of shape (N,), or choose `task=regression`"
            )
    return "regression" if values.dtype.kind == "f" else "classification"


def _numbers(where: str, train: Sequence[StoredLabels], test: Sequence[StoredLabels]) -> NumberedLabels:
    parts = (*train, *test)
    names = next((part.names for part in parts if part.names is not None), None)
    tables = []
    for part in parts:
        if part.counts is not None or part.values.dtype.kind not in "biuf" or part.values.ndim > 2:
            form = f"{part.values.dtype} {part.values.shape}" if part.counts is None else "lists of labels"
            raise AutodasError(
                f"{part.where}: numbers of shape (N,) or (N, D) are expected for regression, found {form}"
            )
        table = part.values.reshape(len(part.values), -1).astype(np.float64)
        names = names or target_names(table.shape[1])
        if table.shape[1] != len(names):
            raise AutodasError(f"{part.where}: {table.shape[1]} numbers a sample, but {len(names)} names")
        wrong = np.argwhere(~np.isfinite(table))
        if len(wrong):
            sample, column = wrong[0].tolist()
            others = len(set(wrong[:, 0].tolist()))
            raise AutodasError(
                f"{part.where}, sample {sample}: '{names[column]}' is {table[sample, column]}, a finite "
                f"number is expected ({others} of {len(table)} samples have none): leave them out"
            )
        tables.append(table)
    return NumberedLabels(*in_splits(tables, len(train)), names or (), notes=(regression_note(names or ()),))


def _labels(where: str, train: Sequence[StoredLabels], test: Sequence[StoredLabels]) -> NumberedLabels:
    parts = (*train, *test)
    if any(part.values.ndim == 2 for part in parts):
        return _zeros_and_ones(train, test)
    flat = [replace(part, counts=None) for part in parts]
    # Splits without any label have no type of their own.
    filled = [part for part in flat if len(part.values)]
    if not filled:
        raise AutodasError(f"{where}: no sample has a label")
    flat = [part if len(part.values) else replace(part, values=filled[0].values[:0]) for part in flat]
    numbered = number_labels(where, flat[: len(train)], flat[len(train) :])
    tables = [
        None if split is None else _table(where, split, own, len(numbered.classes))
        for split, own in ((numbered.train, train), (numbered.test, test))
    ]
    note = multilabel_note("lists of labels", len(numbered.classes))
    return replace(numbered, train=tables[0], test=tables[1], notes=(note,))


def _table(where: str, numbers: np.ndarray, parts: Sequence[StoredLabels], classes: int) -> np.ndarray:
    outside = numbers[(numbers < 0) | (numbers >= classes)]
    if len(outside):
        raise AutodasError(
            f"{where}: labels out of range: {outside[0]}, but there are {classes} classes, numbered "
            f"0..{classes - 1}"
        )
    counts = [np.ones(len(p.values), np.int64) if p.counts is None else p.counts for p in parts]
    return indicators(numbers, np.concatenate(counts), classes)


def _zeros_and_ones(train: Sequence[StoredLabels], test: Sequence[StoredLabels]) -> NumberedLabels:
    parts = (*train, *test)
    names = next((part.names for part in parts if part.names is not None), None)
    for part in parts:
        if part.values.ndim != 2:
            raise AutodasError(f"{part.where}: 0 and 1 for each class are expected, as in the other parts")
        names = names or tuple(map(str, range(part.values.shape[1])))
        if part.values.shape[1] != len(names):
            raise AutodasError(f"{part.where}: {part.values.shape[1]} columns, but {len(names)} classes")
        wrong = np.argwhere(~np.isin(part.values, (0, 1)))
        if len(wrong):
            sample, column = wrong[0].tolist()
            raise AutodasError(
                f"{part.where}, sample {sample}: 0 or 1 is expected for the class '{names[column]}', found "
                f"{part.values[sample, column]}"
            )
    tables = [part.values.astype(np.uint8) for part in parts]
    note = multilabel_note("0 and 1 for each class", len(names or ()))
    return NumberedLabels(*in_splits(tables, len(train)), names or (), notes=(note,))


def indicators(numbers: np.ndarray, counts: np.ndarray, classes: int) -> np.ndarray:
    """Return which labels each sample has, uint8 (N, classes), from the numbers of its labels in turn."""
    table = np.zeros((len(counts), classes), dtype=np.uint8)
    table[np.repeat(np.arange(len(counts)), counts), numbers] = 1
    return table


def target_names(count: int) -> tuple[str, ...]:
    """Return the names of numbers that have none."""
    return ("target",) if count == 1 else tuple(f"target {number}" for number in range(1, count + 1))


def multilabel_note(form: str, classes: int) -> str:
    """Return the note that samples have several labels."""
    return f"task multilabel: {form}, {classes} classes (`task` sets another)"


def regression_note(names: Sequence[str]) -> str:
    """Return the note that samples have numbers in place of labels."""
    return f"task regression: {', '.join(names)} (`task` sets another)"
