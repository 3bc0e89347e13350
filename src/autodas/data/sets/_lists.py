"""Samples named by list files: lines of path and label, or CSV with a header."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autodas.data.files._walk import readable_names
from autodas.data.sets._image_folder import existing_path
from autodas.data.sets._keys import keys_below
from autodas.data.sets._list_answers import Entry, number_entries, task_of
from autodas.data.sets._list_classes import class_names
from autodas.data.sets._split_names import SplitName, split_of
from autodas.data.sets._text_lists import Header, choose_column, is_comment, read_lines, read_rows
from autodas.data_options import DataOptions, TaskName
from autodas.errors import AutodasError

_PATH_COLUMNS = (
    *("path", "file", "video", "video_path", "image", "image_path"),
    *("filename", "file_name", "filepath", "file_path"),
)
_LABEL_COLUMNS = ("label", "class", "class_name", "labels", "tags", "target", "targets")


@dataclass(frozen=True)
class Listed:
    """Samples of a split.

    Args:
        paths: one path per sample.
        labels: as in :class:`~autodas.data.splits._split.Split`.
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
        classes: name of each class, or of each number.
        notes: notes for the user on how they were read.
        refusal, task: as in :class:`~autodas.data.splits._parts.RawDataset`.
    """

    train: Listed | None
    test: Listed | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    refusal: str | None = None
    task: TaskName = "classification"


def split_option(rest: str) -> tuple[str, str]:
    """Split ``PATH#OPTION``, as used in names of sets of videos, into both.

    An existing path may contain the sign itself; without an option it is empty.
    """
    if "#" not in rest or os.path.exists(Path(rest).expanduser()):
        return rest, ""
    path, _, option = rest.rpartition("#")
    return path, option


def read_lists(rest: str, kind: str, what: str, options: DataOptions | None = None) -> ListedSet:
    """Read ``LIST``, ``LIST#ROOT``, or a folder with ``train`` and ``test`` (or ``val``) lists.

    A list is a ``.csv`` file with a header, or else lines of a path and a label, which is the last word;
    blank lines are skipped, and lines that begin with ``#`` and name no file. CSV has a column ``path`` (or
    ``file``, ``image``, ``video``, ...), a column ``label`` (or ``class``, ``class_name``) and may have a
    column ``split`` (``train``, ``test``, ``val``) and others, which may be the groups of samples. Paths are
    relative to ``ROOT``, or to the folder of the list. Labels are names, or integers; a file ``classes.txt``
    beside the list, one name per line, defines the names and the meaning of the numbers 0, 1, ... Without it
    the classes are the distinct labels, in ascending order; the training samples must have all of them,
    except for an evaluation.

    Several labels, or numbers, of a sample are separated by ``|`` or ``;``, and ``|`` alone is none; or they
    have a column each, named by ``options.targets``, or by the task if there is no column of labels.

    Args:
        rest: text after the kind.
        kind: kind of the data set, such as ``videolist``.
        what: noun for the samples.
        options: which columns hold labels, and for which task; ``None`` for the defaults.

    Raises:
        AutodasError: if a list is missing, empty or malformed, a label is not in ``classes.txt``, files are
            missing, or a sample has two labels.
    """
    options = options or DataOptions()
    where, option = split_option(rest)
    path = existing_path(where, kind)
    folder = path if os.path.isdir(path) else path.parent
    root = existing_path(option, kind) if option else folder
    entries: dict[SplitName, list[Entry]] = {"train": [], "test": [], "val": []}
    lists: dict[SplitName, Path] = _lists_of_folder(path, kind) if os.path.isdir(path) else {"train": path}
    names, notes = class_names(folder / "classes.txt")
    for default, file in lists.items():
        listed, skipped = _read_list(file, default, root, options)
        notes += skipped
        for entry in listed:
            entries[entry.split].append(entry)
    task = task_of([entry for lines in entries.values() for entry in lines], names, options)
    for split, lines in entries.items():
        entries[split] = _once(lines, root, joined=task == "multilabel")
        if len(entries[split]) < len(lines):
            done = "have the labels of all their lines" if task == "multilabel" else "are used once"
            more = len(lines) - len(entries[split])
            notes.append(
                f"{path}: {what} that {split} lists more than once {done} ({more} lines "
                f"{'joined' if task == 'multilabel' else 'skipped'})"
            )
    train, test = entries["train"], entries["test"] or entries["val"]
    if not train and not test:
        raise AutodasError(f"{path}: there are no {what} in this list")
    labels = number_entries(train, test, names, folder / "classes.txt", what, task)
    _check_missing(path, root, [*train, *test], kind, what)
    parts = [
        _listed(part, numbers, root) if part else None
        for part, numbers in zip((train, test), (labels.train, labels.test), strict=True)
    ]
    if entries["test"] and entries["val"]:
        notes.append(f"{path}: val is not used ({len(entries['val'])} {what}): test is the test split")
    both = set.intersection(*(set(part.keys or ()) if part else set() for part in parts))
    if both:
        first = os.path.join(root, min(both))
        notes.append(f"{path}: training and test {what} overlap ({len(both)}, such as {first})")
    notes += [f"{path}: {note}" if note.startswith("task ") else note for note in labels.notes]
    return ListedSet(parts[0], parts[1], labels.classes, tuple(notes), labels.refusal, labels.task)


def _listed(entries: list[Entry], labels: np.ndarray | None, root: Path) -> Listed:
    paths = tuple(os.path.join(root, entry.path) for entry in entries)
    columns = {name: [entry.columns.get(name, "") for entry in entries] for name in entries[0].columns}
    return Listed(paths, np.asarray(labels), keys_below(root, paths), columns)


def _once(entries: list[Entry], root: Path, *, joined: bool) -> list[Entry]:
    """Return each sample once; if its lines differ, with all their labels if these may be ``joined``.

    Raises:
        AutodasError: if they may not.
    """
    first: dict[str, Entry] = {}
    for entry, key in zip(
        entries, keys_below(root, [os.path.join(root, e.path) for e in entries]), strict=True
    ):
        there = first.setdefault(key, entry)
        if there.label != entry.label and joined and len(entry.values) == len(there.values) == 1:
            first[key] = there.joined(entry)
        elif there.label != entry.label:
            raise AutodasError(
                f"{entry.place}: {entry.path} has the label '{entry.label}', but '{there.label}' in "
                f"{there.place}: remove one of the lines, or choose `task=multilabel` for several labels"
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


def _read_list(
    path: Path, default: SplitName, root: Path, options: DataOptions
) -> tuple[list[Entry], list[str]]:
    """Return the samples of a list, with the ``default`` split unless they have their own, and notes."""
    read = _read_csv if path.suffix.lower() == ".csv" else _read_text
    entries, skipped = read(path, default, root, options)
    if not entries:
        raise AutodasError(f"{path}: the list is empty")
    if not skipped:
        return entries, []
    return entries, [
        f"{path}: lines that begin with # and name no file in {root} are taken for comments "
        f"({len(skipped)}, such as line {skipped[0]})"
    ]


def _read_text(
    path: Path, default: SplitName, root: Path, options: DataOptions
) -> tuple[list[Entry], list[int]]:
    """Return the samples of lines of a path and a label, and the numbers of ambiguous lines."""
    if options.targets:
        raise AutodasError(
            f"{path}: it has no columns of which `data.targets` could name some: write csv, or omit it"
        )
    entries, skipped = [], []
    for number, line in read_lines(path, comments=False):
        words = line.rsplit(None, 1)
        if line[0] == "#" and not (len(words) == 2 and os.path.exists(root / words[0])):
            skipped += [] if is_comment(line) else [number]
        elif len(words) < 2:
            raise AutodasError(f"{path}, line {number}: a path and a label are expected, found '{line}'")
        else:
            entries.append(Entry(words[0], (words[1],), default, f"{path}, line {number}"))
    return entries, skipped


def _read_csv(
    path: Path, default: SplitName, root: Path, options: DataOptions
) -> tuple[list[Entry], list[int]]:
    """Return the samples of a table, and the numbers of ambiguous lines."""
    header, rows = read_rows(path)
    if header is None:
        return [], []
    path_at, split_at = (choose_column(path, header, names) for names in (_PATH_COLUMNS, ("split", "")))
    assert path_at is not None
    labels_at = _label_columns(path, header, (path_at, split_at), options)
    names = tuple(header.written[i] for i in labels_at)
    entries, skipped = [], []
    for number, values, doubtful in rows:
        if doubtful and not (len(values) == len(header.names) and os.path.exists(root / values[path_at])):
            skipped += [] if is_comment(values[0]) else [number]
            continue
        place = f"{path}, line {number}"
        if not values[path_at]:
            raise AutodasError(f"{place}: the path is empty")
        split = default if split_at is None else split_of(values[split_at])
        if split is None:
            written = values[split_at or 0]
            raise AutodasError(f"{place}: the split must be train, test or val, found '{written}'")
        named = zip(header.names, values, strict=True)
        columns = {name: value for name, value in named if name and header.names.count(name) == 1}
        labels = tuple(values[i] for i in labels_at)
        entries.append(Entry(values[path_at], labels, split, place, columns, names))
    return entries, skipped


def _label_columns(
    path: Path, header: Header, others: Sequence[int | None], options: DataOptions
) -> Sequence[int]:
    """Return the indices of the columns of labels: those of the user, the usual one, or all others."""
    if options.targets:
        chosen = [choose_column(path, header, (name.lower(),)) for name in options.targets]
        return [i for i in chosen if i is not None]
    usual = choose_column(path, header, (*_LABEL_COLUMNS, ""))
    if usual is not None:
        return [usual]
    group = (options.groups or "").lower()
    left = [i for i, name in enumerate(header.names) if name and i not in others and name != group]
    if options.answers in ("multilabel", "regression") and left:
        return left
    raise AutodasError(
        f"{path}, line {header.line}: a header with a column {' or '.join(_LABEL_COLUMNS[:3])} is expected, "
        f"found: {', '.join(header.names)}; a column for each class, or for each target, needs "
        "`task=multilabel` or `task=regression`"
    )


def _check_missing(path: Path, root: Path, entries: list[Entry], kind: str, what: str) -> None:
    missing = [entries[i] for i in missing_files(os.path.join(root, entry.path) for entry in entries)]
    if missing:
        first = "; ".join(f"{entry.path} ({entry.place})" for entry in missing[:3])
        raise AutodasError(
            f"{path}: {len(missing)} of {len(entries)} {what} are not in {root}: {first}"
            f"{'; ...' if len(missing) > 3 else ''}: put them there, or name their folder: "
            f"{kind}:{path}#FOLDER"
        )
