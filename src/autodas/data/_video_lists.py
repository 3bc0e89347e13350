"""Videos named by list files: lines of path and label, or CSV with a header."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autodas.data._folder import existing_path
from autodas.data._text_lists import read_lines, read_table
from autodas.errors import AutodasError, nearest

_PATH_COLUMNS = ("path", "file", "video", "video_path")
_LABEL_COLUMNS = ("label", "class", "class_name")
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    "test": "test",
    **dict.fromkeys(("val", "valid", "validation"), "val"),
}
_WHOLE = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True)
class ListedVideos:
    """The videos of a split.

    Args:
        paths: one a video.
        labels: int64 (videos,).
    """

    paths: tuple[str, ...]
    labels: np.ndarray


@dataclass(frozen=True)
class VideoSet:
    """What lists or folders say of a set of videos, before any of them is opened.

    Args:
        train: videos to train with.
        test: ``None`` if there is no split.
        classes: name of each label.
        notes: what a user should know of how they were read.
    """

    train: ListedVideos
    test: ListedVideos | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Entry:
    """One video of a list: its path and label as written, and where that was."""

    path: str
    label: str
    split: str
    place: str


def split_option(rest: str) -> tuple[str, str]:
    """Split ``PATH#OPTION``, as names of sets of videos have it, into both.

    A path that exists may hold the sign itself; without one the option is empty.
    """
    if "#" not in rest or Path(rest).expanduser().exists():
        return rest, ""
    path, _, option = rest.rpartition("#")
    return path, option


def read_video_lists(rest: str) -> VideoSet:
    """Read ``LIST``, ``LIST#ROOT``, or a folder with ``train`` and ``test`` (or ``val``) lists.

    A list is a ``.csv`` file with a header, or else lines of a path and a label, which is the last word;
    blank lines and lines that begin with ``#`` are skipped. CSV has a column ``path`` (or ``file``,
    ``video``, ``video_path``), a column ``label`` (or ``class``, ``class_name``) and may have a column
    ``split`` (``train``, ``test``, ``val``). Paths are relative to ``ROOT``, or to the folder of the list.
    Labels are names, or whole numbers; a file ``classes.txt`` beside the list, one name a line, says which
    names there are and what the numbers 0, 1, ... mean. Without it the classes are the different labels of
    the training videos, in ascending order.

    Raises:
        AutodasError: if a list is missing, empty or malformed, a label is unknown, or files are missing.
    """
    where, option = split_option(rest)
    path = existing_path(where, "videolist")
    folder = path if path.is_dir() else path.parent
    root = existing_path(option, "videolist") if option else folder
    entries: dict[str, list[_Entry]] = {"train": [], "test": [], "val": []}
    for split, file in (_lists_of_folder(path) if path.is_dir() else {"train": path}).items():
        for entry in _read_list(file, split):
            entries[entry.split].append(entry)
    train, test = entries["train"], entries["test"] or entries["val"]
    if not train:
        raise AutodasError(f"{path}: there are no training videos in this list")
    train_labels, test_labels, classes = _number_labels(train, test, folder / "classes.txt")
    files = [
        ListedVideos(tuple(os.path.join(root, entry.path) for entry in part), labels)
        for part, labels in ((train, train_labels), (test, test_labels))
    ]
    _check_missing(path, root, [*train, *test])
    notes = []
    if entries["test"] and entries["val"]:
        notes.append(f"{path}: val is not used ({len(entries['val'])} videos): test is the test split")
    both = set(files[0].paths) & set(files[1].paths)
    if both:
        notes.append(f"{path}: training and test videos overlap ({len(both)}, such as {min(both)})")
    return VideoSet(files[0], files[1] if test else None, classes, tuple(notes))


def missing_files(paths: Iterable[str]) -> list[int]:
    """Return which of the paths do not exist; every folder is listed once, which is quick for many files."""
    folders: dict[str, set[str]] = {}
    missing = []
    for number, path in enumerate(paths):
        folder, name = os.path.split(path.rstrip("/"))
        if folder not in folders:
            folders[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in folders[folder]:
            missing.append(number)
    return missing


def _lists_of_folder(folder: Path) -> dict[str, Path]:
    found = {
        split: folder / f"{split}{ending}"
        for split in ("train", "test", "val")
        for ending in (".csv", ".txt")
        if (folder / f"{split}{ending}").is_file()
    }
    if "train" not in found:
        raise AutodasError(
            f"{folder}: no list train.txt or train.csv in this folder: add it, "
            f"or write videolist:LIST#{folder}"
        )
    return found


def _read_list(path: Path, default: str) -> list[_Entry]:
    """Read a list; videos without a split of their own are of the ``default`` split."""
    entries = []
    if path.suffix.lower() == ".csv":
        for number, (video, label, split) in read_table(path, (_PATH_COLUMNS, _LABEL_COLUMNS, ("split", ""))):
            place = f"{path}, line {number}"
            if not video or not label:
                raise AutodasError(f"{place}: {'the label' if video else 'the path'} is empty")
            if split is not None and split.lower() not in _SPLITS:
                raise AutodasError(f"{place}: the split must be train, test or val, found '{split}'")
            entries.append(_Entry(video, label, _SPLITS[split.lower()] if split else default, place))
    else:
        for number, line in read_lines(path):
            words = line.rsplit(None, 1)
            if len(words) < 2:
                raise AutodasError(f"{path}, line {number}: a path and a label are expected, found '{line}'")
            entries.append(_Entry(words[0], words[1], default, f"{path}, line {number}"))
    if not entries:
        raise AutodasError(f"{path}: the list is empty")
    return entries


def _names(path: Path) -> list[str] | None:
    """Return the names of classes in a file, if it is there."""
    if not path.is_file():
        return None
    names = [line for _, line in read_lines(path)]
    if not names:
        raise AutodasError(f"{path}: the list of classes is empty: write one name a line, or remove it")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise AutodasError(f"{path}: the class '{twice[0]}' is there more than once: remove one")
    return names


def _number_labels(
    train: list[_Entry], test: list[_Entry], names_file: Path
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the labels of both parts as numbers, int64, and the names of the classes."""
    names = _names(names_file)
    whole = all(_WHOLE.fullmatch(entry.label) for entry in (*train, *test))

    def name(entry: _Entry) -> str:
        return str(int(entry.label)) if whole else entry.label

    if names is None:
        found = {name(entry) for entry in train}
        names = sorted(found, key=int) if whole else sorted(found)
        origin = "of the training videos"
        if whole and int(names[0]) < 0:
            place = next(entry.place for entry in train if name(entry) == names[0])
            raise AutodasError(
                f"{place}: labels out of range: {names[0]} (is a list without labels?): classes count from 0"
            )
        known = {label: number for number, label in enumerate(names)}
    else:
        origin = f"in {names_file}"
        known = {label: number for number, label in enumerate(names)}
        # Whole numbers are places in the file, unless they are what it lists.
        if whole and not known.keys() >= {name(entry) for entry in (*train, *test)}:
            origin += ", which are numbered from 0"
            known = {str(number): number for number in range(len(names))}
    for entry in (*train, *test):
        if name(entry) not in known:
            raise AutodasError(
                f"{entry.place}: label '{entry.label}' is not one of the {len(names)} classes {origin}"
                f"{'' if whole else nearest(entry.label, names)}"
            )
    numbers = [np.array([known[name(entry)] for entry in part], dtype=np.int64) for part in (train, test)]
    return numbers[0], numbers[1], tuple(names)


def _check_missing(path: Path, root: Path, entries: list[_Entry]) -> None:
    missing = [entries[i] for i in missing_files(os.path.join(root, entry.path) for entry in entries)]
    if missing:
        first = "; ".join(f"{entry.path} ({entry.place})" for entry in missing[:3])
        raise AutodasError(
            f"{path}: {len(missing)} of {len(entries)} videos are not in {root}: {first}"
            f"{'; ...' if len(missing) > 3 else ''}: put them there, or name their folder: "
            f"videolist:{path}#FOLDER"
        )
