"""Classes of the samples of list files: names or numbers, and a file that lists the names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from autodas.data.sets._labels import NumberedLabels
from autodas.data.sets._text_lists import is_comment, read_lines
from autodas.errors import AutodasError, nearest

_WHOLE = re.compile(r"-?\d{1,18}")


class Labelled(Protocol):
    """A label as written, and its place in a file."""

    @property
    def label(self) -> str:
        """The label."""

    @property
    def place(self) -> str:
        """The place, for messages."""


def class_names(path: Path) -> tuple[list[str] | None, list[str]]:
    """Return the names of classes in a file, ``None`` if it is missing, and notes."""
    if not os.path.isfile(path):
        return None, []
    lines = [line for _, line in read_lines(path, comments=False)]
    names = [line for line in lines if line == "#" or not is_comment(line)]
    if not names:
        raise AutodasError(f"{path}: the list of classes is empty: write one name per line, or remove it")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise AutodasError(f"{path}: the class '{twice[0]}' is there more than once: remove one")
    notes = []
    if len(names) < len(lines):
        notes.append(f"{path}: comments, which begin with '# ', are no classes ({len(lines) - len(names)})")
    hashed = [name for name in names if name[0] == "#"]
    if hashed:
        notes.append(f"{path}: '{hashed[0]}' is a class: comments begin with '# '")
    return names, notes


def number_labels(
    train: Sequence[Labelled],
    test: Sequence[Labelled],
    names: Sequence[str] | None,
    names_file: Path,
    what: str,
) -> NumberedLabels:
    """Return the labels of both parts as numbers, int64, the names of the classes, notes, and a refusal.

    Args:
        train, test: labels of the parts; one may be empty.
        names: names of the classes, if the user lists them in ``names_file``.
        names_file: place of that list.
        what: noun for the samples.

    Raises:
        AutodasError: if a label is not among the names, or negative.
    """
    notes = []
    whole = all(_WHOLE.fullmatch(entry.label) for entry in (*train, *test))
    refusal = None

    def name(entry: Labelled) -> str:
        return str(int(entry.label)) if whole else entry.label

    samples = (*train, *test)
    if names is None:
        labels = {name(entry) for entry in samples}
        names = sorted(labels, key=int) if whole else sorted(labels)
        if whole and int(names[0]) < 0:
            place = next(entry.place for entry in samples if name(entry) == names[0])
            raise AutodasError(
                f"{place}: labels out of range: {names[0]} (is a list without labels?): classes count from 0"
            )
        known = {label: number for number, label in enumerate(names)}
        trained = {name(entry) for entry in train or test}
        strange = next((entry for entry in test if name(entry) not in trained), None)
        if strange is not None:
            refusal = _unknown(strange, sorted(trained), f"of the training {what}", whole)
    else:
        origin = f"in {names_file}"
        known = {label: number for number, label in enumerate(names)}
        # Integers are positions in the file, unless they are the names that it lists.
        if whole and not known.keys() >= {name(entry) for entry in samples}:
            origin += ", which are numbered from 0"
            known = {str(number): number for number in range(len(names))}
            if len(names) > 1 and min(int(entry.label) for entry in samples) == 1:
                notes.append(
                    f"{names_file}: its lines are numbered from 0, and no label is 0: label 1 is "
                    f"'{names[1]}', and '{names[0]}' has no {what}; if labels count from 1, "
                    "write names, or subtract 1"
                )
        strange = next((entry for entry in samples if name(entry) not in known), None)
        if strange is not None:
            raise AutodasError(_unknown(strange, names, origin, whole))
    first, second = (
        np.array([known[name(entry)] for entry in part], dtype=np.int64) for part in (train, test)
    )
    return NumberedLabels(first, second, tuple(names), refusal, notes=tuple(notes))


def _unknown(entry: Labelled, names: Sequence[str], origin: str, whole: bool) -> str:
    """Return the message that a label is not among the classes."""
    return (
        f"{entry.place}: label '{entry.label}' is not one of the {len(names)} classes {origin}"
        f"{'' if whole else nearest(entry.label, list(names))}"
    )
