"""Kinetics-400 (Kay et al., 2017), and Kinetics10, which merges some of its classes into ten."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from autodas.data.files._endings import VIDEO_ENDINGS
from autodas.data.files._walk import LeftOut, subfolders, videos_below, walk
from autodas.data.sets._keys import keys_below
from autodas.data.sets._kinetics10 import CATEGORIES, merged_class
from autodas.data.sets._lists import Listed, ListedSet
from autodas.data.sets._split_names import split_of
from autodas.data.sets._text_lists import read_table
from autodas.data.sets._video_places import named_root
from autodas.errors import AutodasError

_CLASSES = 400
_PARTS = {"train": ("train",), "val": ("val", "validate", "validation")}
_COLUMNS = (("label",), ("youtube_id",), ("time_start",), ("time_end",))


def read_kinetics400(rest: str) -> ListedSet:
    """Read Kinetics-400 from ``PATH``: its training videos, and its validation videos as test split.

    With the official lists ``train.csv`` and ``val.csv`` (or ``validate.csv``; possibly with a prefix, as in
    ``kinetics-400_train.csv``), here or in ``annotations``, the videos may be anywhere below and are named by
    identifier and seconds, ``ID_000010_000020.mp4``, or by identifier alone. Many videos are no longer
    available, so missing ones are counted, and the first of them are named in the notes. Without lists, class
    folders are expected in ``train`` and ``val``.

    Raises:
        AutodasError: if there are neither lists nor folders, a list is malformed, or all videos are missing.
    """
    root, _ = named_root(rest, "kinetics400", "")
    parts, names, notes = _read(root)
    if len(names) != _CLASSES:
        notes.append(f"{root} has {len(names)} classes; Kinetics-400 has {_CLASSES}")
    return _numbered(root, parts, {name: name for name in names}, names, notes)


def read_kinetics10(rest: str) -> ListedSet:
    """Read the ten categories that the SDAS paper (Table 3) merges from classes of Kinetics.

    The files are those of :func:`read_kinetics400`. Of the 66 classes in the table 55 are in Kinetics-400
    under the same name and one under another; the other ten came with Kinetics-600. So the files of either
    are accepted, and the notes name the classes of the table that are missing.

    Raises:
        AutodasError: as :func:`read_kinetics400`, or if all classes of a category are missing.
    """
    root, _ = named_root(rest, "kinetics10", "")
    parts, names, notes = _read(root)
    merged = {name: found for name in names if (found := merged_class(name))}
    there = {table_name for _, table_name in merged.values()}
    for category, classes in CATEGORIES.items():
        if there.isdisjoint(classes):
            raise AutodasError(
                f"{root}: no class of the category '{category}' is here ({', '.join(classes)}): "
                "kinetics10 is made of the classes of Kinetics-400 or Kinetics-600"
            )
    wanted = [name for classes in CATEGORIES.values() for name in classes]
    absent = [name for name in wanted if name not in there]
    if absent:
        notes.append(f"{len(there)} of {len(wanted)} merged classes are here, without {', '.join(absent)}")
    others = [name for name in names if name not in merged]
    if others:
        notes.append(f"classes that belong to no category are not used ({len(others)}, such as {others[0]})")
    categories = {name: category for name, (category, _) in merged.items()}
    return _numbered(root, parts, categories, list(CATEGORIES), notes)


_Videos = list[tuple[str, str]]
"""Paths of videos and names of their classes."""


def _read(root: Path) -> tuple[dict[str, _Videos], list[str], list[str]]:
    """Return the videos of ``train`` and ``val``, all class names in order, and notes."""
    lists = {part: _list(root, endings) for part, endings in _PARTS.items()}
    left_out = LeftOut("videos")
    parts: dict[str, _Videos] = {}
    names: set[str] = set()
    if not any(lists.values()):
        folders = {part: _folder(root, part, left_out) for part in _PARTS}
        for part, folder in folders.items():
            if folder is None:
                raise AutodasError(
                    f"{root}: neither the official lists train.csv and val.csv nor class folders in train "
                    f"and val are here ({part} is missing)"
                )
            parts[part] = _videos_of_folders(folder, left_out)
            # A class without videos is still a class.
            names |= set(subfolders(folder, left_out))
        return parts, sorted(names), list(left_out.notes())
    index, notes = _index(root, left_out)
    for part, path in lists.items():
        if path is None:
            raise AutodasError(f"{root}: there is no list {part}.csv here or in annotations: add it")
        parts[part], labels, note = _videos_of_list(path, root, index)
        names |= labels
        notes += note
    return parts, sorted(names), notes


def _index(root: Path, left_out: LeftOut) -> tuple[dict[str, str], list[str]]:
    """Return the videos below a folder by their names without ending, and notes."""
    index: dict[str, str] = {}
    twice = []
    for place, names in walk(root, left_out):
        for name in names:
            if name.lower().endswith(VIDEO_ENDINGS):
                path = os.path.join(place, name)
                if index.setdefault(os.path.splitext(name)[0], path) != path:
                    twice.append(path)
    if not twice:
        return index, []
    return index, [f"{root}: {len(twice)} videos are here twice and used once, such as {twice[0]}"]


def _list(root: Path, endings: tuple[str, ...]) -> Path | None:
    """Return the official list of a split, if there is one."""
    pattern = re.compile(rf"(.*[-_])?({'|'.join(endings)})\.csv", re.IGNORECASE)
    for folder in (root, root / "annotations"):
        lists = (
            sorted(p for p in folder.iterdir() if pattern.fullmatch(p.name)) if os.path.isdir(folder) else []
        )
        if len(lists) > 1:
            raise AutodasError(f"{folder}: which list is it, {lists[0].name} or {lists[1].name}? Keep one")
        if lists:
            return lists[0]
    return None


def _videos_of_list(path: Path, root: Path, index: dict[str, str]) -> tuple[_Videos, set[str], list[str]]:
    """Return the existing videos of a list, the names of all classes in it, and notes."""
    rows = read_table(path, _COLUMNS)
    videos, labels, missing = [], set(), []
    for line, (label, identifier, start, end) in rows:
        try:
            times = "_".join(f"{int(float(seconds or '')):06}" for seconds in (start, end))
        except (ValueError, OverflowError):  # infinite
            raise AutodasError(
                f"{path}, line {line}: numbers of seconds are expected, found '{start}' and '{end}'"
            ) from None
        if not label or not identifier:
            raise AutodasError(f"{path}, line {line}: a label and an identifier are expected")
        labels.add(label)
        path_of_video = index.get(f"{identifier}_{times}") or index.get(identifier)
        if path_of_video is None:
            missing.append(f"{identifier}_{times}")
        else:
            videos.append((path_of_video, label))
    if not videos:
        example = f", such as {missing[0]}.mp4" if missing else ""
        raise AutodasError(f"{path}: none of its {len(rows)} videos is below {root}{example}: add them")
    if not missing:
        return videos, labels, []
    first = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return videos, labels, [f"{path}: {len(missing)} of {len(rows)} videos are not here: {first}"]


def _folder(root: Path, part: str, left_out: LeftOut) -> Path | None:
    names = (name for name in subfolders(root, left_out) if split_of(name) == part)
    return next((root / name for name in names if subfolders(root / name, left_out)), None)


def _videos_of_folders(folder: Path, left_out: LeftOut) -> _Videos:
    videos = [
        (path, name)
        for name in subfolders(folder, left_out)
        for path in sorted(videos_below(folder / name, left_out))
    ]
    if not videos:
        raise AutodasError(f"{folder}: there are no videos in its class folders ({' '.join(VIDEO_ENDINGS)})")
    return videos


def _numbered(
    root: Path, parts: dict[str, _Videos], targets: dict[str, str], classes: list[str], notes: list[str]
) -> ListedSet:
    """Return the videos whose class has a target, labelled by its index in ``classes``."""
    numbers = {name: number for number, name in enumerate(classes)}
    files = {}
    for part, videos in parts.items():
        kept = [(path, numbers[targets[name]]) for path, name in videos if name in targets]
        if not kept:
            raise AutodasError(f"{root}: the {part} part has no video of the classes that are merged")
        paths, labels = zip(*kept, strict=True)
        files[part] = Listed(paths, np.array(labels, dtype=np.int64), keys_below(root, paths))
    return ListedSet(files["train"], files["val"], tuple(classes), tuple(notes))
