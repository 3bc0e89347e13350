"""Labels of the samples of list files, for any task."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from autodas.data.sets._answers import indicators, multilabel_note, regression_note, target_names
from autodas.data.sets._labels import NumberedLabels
from autodas.data.sets._list_classes import number_labels
from autodas.data.sets._split_names import SplitName
from autodas.data_options import DataOptions, TaskName
from autodas.errors import AutodasError

_BETWEEN = re.compile(r"[|;]")
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Entry:
    """One sample of a list.

    Args:
        path: its path as written.
        values: its label, or a value for each column of labels, as written.
        split: its split.
        place: its place in the file, for messages.
        columns: values of all columns by name.
        names: names of the columns of labels, as written; empty for lines without columns.
    """

    path: str
    values: tuple[str, ...]
    split: SplitName
    place: str
    columns: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The label as written."""
        return ",".join(self.values)

    @property
    def labels(self) -> list[str]:
        """The labels of a sample with several, in one column: separated by ``|`` or ``;``."""
        return [word.strip() for word in _BETWEEN.split(self.values[0]) if word.strip()]

    def joined(self, other: Entry) -> Entry:
        """Return the sample with the labels of both entries."""
        return replace(self, values=(f"{self.values[0]}|{other.values[0]}",))


def task_of(entries: Sequence[Entry], names: Sequence[str] | None, options: DataOptions) -> TaskName:
    """Return the task that the user wants, or that the labels suggest.

    Several columns of 0 and 1, or ``|`` or ``;`` in a label, are several labels; other numbers in several
    columns, or with fractions, are for regression.

    Args:
        entries: all samples.
        names: names of the classes, if the user lists them.
        options: ``task``.
    """
    if options.answers != "auto":
        return options.answers
    if any(len(entry.values) > 1 for entry in entries):
        binary = all(_binary(value) is not None for entry in entries for value in entry.values)
        return "multilabel" if binary else "regression"
    labels = {entry.values[0] for entry in entries}
    if names is not None and labels.issubset(names):
        return "classification"
    if any(_BETWEEN.search(label) for label in labels):
        return "multilabel"
    numbers = names is None and all(_number(label) is not None for label in labels)
    return "regression" if numbers and not all(map(_WHOLE.fullmatch, labels)) else "classification"


def number_entries(
    train: Sequence[Entry],
    test: Sequence[Entry],
    names: Sequence[str] | None,
    names_file: Path,
    what: str,
    task: TaskName,
) -> NumberedLabels:
    """Return the labels of both parts, as splits have them.

    Args:
        train, test: samples of the parts; one may be empty.
        names: names of the classes, if the user lists them in ``names_file``.
        names_file: place of that list.
        what: noun for the samples.
        task: what the labels are.

    Raises:
        AutodasError: if a label is missing, unknown, or not of the kind that the task needs.
    """
    if task == "regression":
        return _numbers(train, test)
    several = any(len(entry.values) > 1 for entry in (*train, *test))
    if task == "multilabel" and several:
        return _columns(train, test)
    if task == "classification":
        for entry in (*train, *test):
            _check_one_column(entry)
            if not entry.label:
                raise AutodasError(f"{entry.place}: the label is empty")
        return number_labels(train, test, names, names_file, what)
    return _lists(train, test, names, names_file, what)


def _lists(
    train: Sequence[Entry], test: Sequence[Entry], names: Sequence[str] | None, names_file: Path, what: str
) -> NumberedLabels:
    first, second = (
        [replace(entry, values=(label,)) for entry in part for label in entry.labels]
        for part in (train, test)
    )
    if not (first or second):
        raise AutodasError(f"{(*train, *test)[0].place}: none of the {what} has a label")
    found = number_labels(first, second, names, names_file, what)

    def table(part: Sequence[Entry], numbers: np.ndarray | None) -> np.ndarray:
        counts = np.array([len(entry.labels) for entry in part], dtype=np.int64)
        return indicators(np.asarray(numbers), counts, len(found.classes))

    note = multilabel_note("labels separated by | or ;", len(found.classes))
    return NumberedLabels(
        table(train, found.train),
        table(test, found.test),
        found.classes,
        found.refusal,
        "multilabel",
        (note, *found.notes),
    )


def _columns(train: Sequence[Entry], test: Sequence[Entry]) -> NumberedLabels:
    names, first, second = _tables(train, test, _zero_or_one)
    note = multilabel_note("a column of 0 and 1 for each class", len(names))
    tables = first.astype(np.uint8), second.astype(np.uint8)
    return NumberedLabels(*tables, names, task="multilabel", notes=(note,))


def _numbers(train: Sequence[Entry], test: Sequence[Entry]) -> NumberedLabels:
    names, first, second = _tables([*map(_separated, train)], [*map(_separated, test)], _finite)
    return NumberedLabels(first, second, names, task="regression", notes=(regression_note(names),))


def _separated(entry: Entry) -> Entry:
    """Return a sample with a value for each target, of which one column may have several."""
    return entry if len(entry.values) > 1 else replace(entry, values=tuple(entry.labels))


def _tables(
    train: Sequence[Entry], test: Sequence[Entry], read: Callable[[Entry, str, str], float]
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return the names of columns, and their values in both parts, float64 (N, D)."""
    first = (*train, *test)[0]
    names = first.names if len(first.names) == len(first.values) else target_names(len(first.values))

    def row(entry: Entry) -> list[float]:
        own = entry.names if len(entry.names) == len(entry.values) else names
        if sorted(own) != sorted(names) or len(own) != len(entry.values) or not names:
            raise AutodasError(
                f"{entry.place}: values for {', '.join(names) or 'a target'} are expected, as in "
                f"{first.place}, found '{entry.label}'"
            )
        values = dict(zip(own, entry.values, strict=True))
        return [read(entry, name, values[name]) for name in names]

    first_rows, second_rows = (
        np.array([row(entry) for entry in part], dtype=np.float64).reshape(len(part), len(names))
        for part in (train, test)
    )
    return names, first_rows, second_rows


def _finite(entry: Entry, name: str, text: str) -> float:
    value = _number(text)
    if value is None or not math.isfinite(value):
        raise AutodasError(
            f"{entry.place}: a finite number is expected for '{name}', found '{text}': correct it, leave "
            "the line out, or choose other columns with `data.targets`"
        )
    return value


def _zero_or_one(entry: Entry, name: str, text: str) -> float:
    value = _binary(text)
    if value is None:
        raise AutodasError(
            f"{entry.place}: 0 or 1 is expected for the class '{name}', found '{text}': correct it, or "
            "choose the columns of classes with `data.targets`"
        )
    return value


def _binary(text: str) -> float | None:
    value = _number(text)
    return value if value in (0, 1) else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _check_one_column(entry: Entry) -> None:
    if len(entry.values) > 1:
        raise AutodasError(
            f"{entry.place}: {len(entry.values)} columns of labels, but the task is classification: "
            "choose one column with `data.targets`"
        )
