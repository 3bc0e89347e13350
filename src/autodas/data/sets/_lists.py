"""Samples named by list files: lines of path and label, or CSV with a header."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autodas.data.files._walk import readable_names
from autodas.data.sets._image_folder import existing_path
from autodas.data.sets._keys import keys_below
from autodas.data.sets._split_names import SplitName, split_of
from autodas.data.sets._text_lists import choose_column, is_comment, read_lines, read_rows
from autodas.errors import AutodasError, nearest

_PATH_COLUMNS = (
    *("path", "file", "video", "video_path", "image", "image_path"),
    *("filename", "file_name", "filepath", "file_path"),
)
_LABEL_COLUMNS = ("label", "class", "class_name")
_WHOLE = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True)
class Listed:
    """Samples of a split.

    Args:
        paths: one path per sample.
        labels: int64 (N,).
        keys: the paths that splits depend on.
        columns: values of the list's other columns, by name.
    """

    paths: tuple[str, ...]
    labels: np.ndarray
    keys: Sequence[str] | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ListedSet:
    """Images or videos named by lists or folders, before any of them is opened.

    Args:
        train: samples to train with; ``None`` if none are listed.
        test: samples to test with; ``None`` if there is no split.
        classes: name of each label.
        notes: notes for the user on how they were read.
        refusal: as in :class:`~autodas.data.splits._parts.RawDataset`.
    """

    train: Listed | None
    test: Listed | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True)
class _Entry:
    """One sample of a list: its path and label as written, their place in the file, and the other columns."""

    path: str
    label: str
    split: SplitName
    place: str
    columns: Mapping[str, str] = field(default_factory=dict)


def split_option(rest: str) -> tuple[str, str]:
    """Split ``PATH#OPTION``, as used in names of sets of videos, into both.

    An existing path may contain the sign itself; without an option it is empty.
    """
    if "#" not in rest or os.path.exists(Path(rest).expanduser()):
        return rest, ""
    path, _, option = rest.rpartition("#")
    return path, option


def read_lists(rest: str, kind: str, what: str) -> ListedSet:
    """Read ``LIST``, ``LIST#ROOT``, or a folder with ``train`` and ``test`` (or ``val``) lists.

    A list is a ``.csv`` file with a header, or else lines of a path and a label, which is the last word;
    blank lines are skipped, and lines that begin with ``#`` and name no file. CSV has a column ``path`` (or
    ``file``, ``image``, ``video``, ...), a column ``label`` (or ``class``, ``class_name``) and may have a
    column ``split`` (``train``, ``test``, ``val``) and others, which may be the groups of samples. Paths are
    relative to ``ROOT``, or to the folder of the list. Labels are names, or integers; a file ``classes.txt``
    beside the list, one name per line, defines the names and the meaning of the numbers 0, 1, ... Without it
    the classes are the distinct labels, in ascending order; the training samples must have all of them,
    except for an evaluation.

    Args:
        rest: text after the kind.
        kind: kind of the data set, such as ``videolist``.
        what: noun for the samples.

    Raises:
        AutodasError: if a list is missing, empty or malformed, a label is not in ``classes.txt``, files are
            missing, or a sample has two labels.
    """
    where, option = split_option(rest)
    path = existing_path(where, kind)
    folder = path if os.path.isdir(path) else path.parent
    root = existing_path(option, kind) if option else folder
    entries: dict[SplitName, list[_Entry]] = {"train": [], "test": [], "val": []}
    lists: dict[SplitName, Path] = _lists_of_folder(path, kind) if os.path.isdir(path) else {"train": path}
    notes = []
    for default, file in lists.items():
        listed, skipped = _read_list(file, default, root)
        notes += skipped
        for entry in listed:
            entries[entry.split].append(entry)
    for split, lines in entries.items():
        entries[split] = _once(lines, root)
        if len(entries[split]) < len(lines):
            notes.append(
                f"{path}: {what} that {split} lists more than once are used once "
                f"({len(lines) - len(entries[split])} lines skipped)"
            )
    train, test = entries["train"], entries["test"] or entries["val"]
    if not train and not test:
        raise AutodasError(f"{path}: there are no {what} in this list")
    labels, classes, doubts, refusal = _number_labels(train, test, folder / "classes.txt", what)
    _check_missing(path, root, [*train, *test], kind, what)
    parts = [
        _listed(part, numbers, root) if part else None
        for part, numbers in zip((train, test), labels, strict=True)
    ]
    if entries["test"] and entries["val"]:
        notes.append(f"{path}: val is not used ({len(entries['val'])} {what}): test is the test split")
    both = set.intersection(*(set(part.keys or ()) if part else set() for part in parts))
    if both:
        first = os.path.join(root, min(both))
        notes.append(f"{path}: training and test {what} overlap ({len(both)}, such as {first})")
    return ListedSet(parts[0], parts[1], classes, (*notes, *doubts), refusal)


def _listed(entries: list[_Entry], labels: np.ndarray, root: Path) -> Listed:
    paths = tuple(os.path.join(root, entry.path) for entry in entries)
    columns = {name: [entry.columns.get(name, "") for entry in entries] for name in entries[0].columns}
    return Listed(paths, labels, keys_below(root, paths), columns)


def _once(entries: list[_Entry], root: Path) -> list[_Entry]:
    """Return each sample once; raises AutodasError if it has two labels."""
    first: dict[str, _Entry] = {}
    for entry, key in zip(
        entries, keys_below(root, [os.path.join(root, e.path) for e in entries]), strict=True
    ):
        there = first.setdefault(key, entry)
        if there.label != entry.label:
            raise AutodasError(
                f"{entry.place}: {entry.path} has the label '{entry.label}', but '{there.label}' in "
                f"{there.place}: remove one of the lines"
            )
    return list(first.values())


def missing_files(paths: Iterable[str]) -> list[int]:
    """Return the indices of paths that are no existing files or folders.

    Every folder is listed once, which is fast for many files.
    """
    folders: dict[str, set[str]] = {}
    missing = []
    for number, path in enumerate(paths):
        folder, name = os.path.split(path.rstrip("/"))
        if folder not in folders:
            folders[folder] = readable_names(folder) if os.path.isdir(folder) else set()
        if name not in folders[folder]:
            missing.append(number)
    return missing


def _lists_of_folder(folder: Path, kind: str) -> dict[SplitName, Path]:
    lists: dict[SplitName, Path] = {}
    for path in sorted(folder.iterdir()):
        split = split_of(path.stem)
        if split is None or path.suffix.lower() not in (".csv", ".txt") or not os.path.isfile(path):
            continue
        if split in lists:
            raise AutodasError(
                f"{folder}: which is the {split} list, {lists[split].name} or {path.name}? Remove one"
            )
        lists[split] = path
    if not lists:
        raise AutodasError(
            f"{folder}: no list train.txt or train.csv in this folder: add it, or write {kind}:LIST#{folder}"
        )
    return lists


def _read_list(path: Path, default: SplitName, root: Path) -> tuple[list[_Entry], list[str]]:
    """Return the samples of a list, with the ``default`` split unless they have their own, and notes."""
    read = _read_csv if path.suffix.lower() == ".csv" else _read_text
    entries, skipped = read(path, default, root)
    if not entries:
        raise AutodasError(f"{path}: the list is empty")
    if not skipped:
        return entries, []
    return entries, [
        f"{path}: lines that begin with # and name no file in {root} are taken for comments "
        f"({len(skipped)}, such as line {skipped[0]})"
    ]


def _read_text(path: Path, default: SplitName, root: Path) -> tuple[list[_Entry], list[int]]:
    """Return the samples of lines of a path and a label, and the numbers of ambiguous lines."""
    entries, skipped = [], []
    for number, line in read_lines(path, comments=False):
        words = line.rsplit(None, 1)
        if line[0] == "#" and not (len(words) == 2 and os.path.exists(root / words[0])):
            skipped += [] if is_comment(line) else [number]
        elif len(words) < 2:
            raise AutodasError(f"{path}, line {number}: a path and a label are expected, found '{line}'")
        else:
            entries.append(_Entry(words[0], words[1], default, f"{path}, line {number}"))
    return entries, skipped


def _read_csv(path: Path, default: SplitName, root: Path) -> tuple[list[_Entry], list[int]]:
    """Return the samples of a table, and the numbers of ambiguous lines."""
    header, rows = read_rows(path)
    if header is None:
        return [], []
    path_at, label_at, split_at = (
        choose_column(path, header, names) for names in (_PATH_COLUMNS, _LABEL_COLUMNS, ("split", ""))
    )
    assert path_at is not None
    assert label_at is not None
    entries, skipped = [], []
    for number, values, doubtful in rows:
        if doubtful and not (len(values) == len(header.names) and os.path.exists(root / values[path_at])):
            skipped += [] if is_comment(values[0]) else [number]
            continue
        place = f"{path}, line {number}"
        if not values[path_at] or not values[label_at]:
            raise AutodasError(f"{place}: {'the label' if values[path_at] else 'the path'} is empty")
        split = default if split_at is None else split_of(values[split_at])
        if split is None:
            written = values[split_at or 0]
            raise AutodasError(f"{place}: the split must be train, test or val, found '{written}'")
        named = zip(header.names, values, strict=True)
        columns = {name: value for name, value in named if name and header.names.count(name) == 1}
        entries.append(_Entry(values[path_at], values[label_at], split, place, columns))
    return entries, skipped


def _names(path: Path) -> tuple[list[str] | None, list[str]]:
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


def _number_labels(
    train: list[_Entry], test: list[_Entry], names_file: Path, what: str
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[str, ...], list[str], str | None]:
    """Return the labels of both parts as numbers, int64, the names of the classes, notes, and a refusal."""
    names, notes = _names(names_file)
    whole = all(_WHOLE.fullmatch(entry.label) for entry in (*train, *test))
    refusal = None

    def name(entry: _Entry) -> str:
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
    return (first, second), tuple(names), notes, refusal


def _unknown(entry: _Entry, names: list[str], origin: str, whole: bool) -> str:
    """Return the message that a label is not among the classes."""
    return (
        f"{entry.place}: label '{entry.label}' is not one of the {len(names)} classes {origin}"
        f"{'' if whole else nearest(entry.label, names)}"
    )


def _check_missing(path: Path, root: Path, entries: list[_Entry], kind: str, what: str) -> None:
    missing = [entries[i] for i in missing_files(os.path.join(root, entry.path) for entry in entries)]
    if missing:
        first = "; ".join(f"{entry.path} ({entry.place})" for entry in missing[:3])
        raise AutodasError(
            f"{path}: {len(missing)} of {len(entries)} {what} are not in {root}: {first}"
            f"{'; ...' if len(missing) > 3 else ''}: put them there, or name their folder: "
            f"{kind}:{path}#FOLDER"
        )
