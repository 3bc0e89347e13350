"""Files in one folder a class: images, or whatever a caller looks for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from autodas.data._decode import IMAGE_ENDINGS
from autodas.data._parts import RawDataset, RawSplit
from autodas.data._sources import FileSource, Source
from autodas.data._split import Named
from autodas.errors import AutodasError

S = TypeVar("S", bound=Named)
_TEST_FOLDERS = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Tree:
    """What one kind of folder data set looks for.

    Args:
        kind: its name, as in ``imagefolder:PATH``.
        what: what the samples are called.
        endings: of their files, for messages.
        find: returns the samples in a class folder.
    """

    kind: str
    what: str
    endings: tuple[str, ...]
    find: Callable[[Path], list[str]]


def read_folder(rest: str) -> RawDataset[Source]:
    """Read images in ``rest/train/CLASS/*`` and ``rest/test/CLASS/*`` (or ``val``), or ``rest/CLASS/*``."""
    return read_tree(rest, Tree("imagefolder", "images", IMAGE_ENDINGS, _image_files), FileSource)


def read_tree(rest: str, tree: Tree, source: Callable[[list[str]], S]) -> RawDataset[S]:
    """Read what lies in ``rest/train/CLASS`` and ``rest/test/CLASS`` (or ``val``), or in ``rest/CLASS``.

    Args:
        rest: the folder.
        tree: what is looked for.
        source: makes what reads the files of a split.
    """
    root = existing_path(rest, tree.kind)
    if not root.is_dir():
        raise AutodasError(f"{root}: is a file, but {tree.kind} needs a folder of class folders")

    def read(folder: Path, classes: tuple[str, ...], may_be_empty: bool = False) -> RawSplit[S]:
        paths, labels = _read(folder, classes, tree, may_be_empty)
        return RawSplit(source(paths), labels)

    # A class may be called "train"; only a folder of folders is a split.
    if not _subfolders(root / "train"):
        classes = _classes(root, tree)
        return RawDataset(train=read(root, classes), test=None, classes=classes)
    train = root / "train"
    tests = [root / name for name in _TEST_FOLDERS if _subfolders(root / name)]
    classes = _classes(train, tree)
    if not tests:
        note = f"{root} has no test/ or val/ folder: train/ is split 80/20"
        return RawDataset(train=read(train, classes), test=None, classes=classes, notes=(note,))
    notes = tuple(f"{folder} is not used: {tests[0]} is the test split" for folder in tests[1:])
    _compare(train, tests[0], classes, _classes(tests[0], tree))
    return RawDataset(
        train=read(train, classes), test=read(tests[0], classes, True), classes=classes, notes=notes
    )


def existing_path(rest: str, kind: str) -> Path:
    """Return the path that follows the kind of a data set.

    Raises:
        AutodasError: if there is none or it does not exist.
    """
    if not rest:
        raise AutodasError(f"data set '{kind}' needs a path: write {kind}:PATH")
    path = Path(rest).expanduser()
    if not path.exists():
        raise AutodasError(f"{path}: no such file or folder (data set {kind}:{rest})")
    return path


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] not in "._")


def _classes(folder: Path, tree: Tree) -> tuple[str, ...]:
    names = _subfolders(folder)
    if names:
        return tuple(names)
    if any(path.suffix.lower() in tree.endings for path in folder.iterdir()):
        raise AutodasError(
            f"{folder}: {tree.what} lie here, but no class folders: move the {tree.what} of each class to a "
            "folder with its name"
        )
    raise AutodasError(f"{folder}: the folder is empty: it must hold one folder of {tree.what} a class")


def _compare(train: Path, test: Path, classes: tuple[str, ...], found: tuple[str, ...]) -> None:
    for only, here, there in (
        (sorted(set(classes) - set(found)), train, test),
        (sorted(set(found) - set(classes)), test, train),
    ):
        if only:
            names = ", ".join(f"'{name}'" for name in only[:5]) + (", ..." if len(only) > 5 else "")
            raise AutodasError(
                f"{here} and {there} have different classes: {names} only in {here}: "
                "make the class folders equal"
            )


def _read(
    folder: Path, classes: tuple[str, ...], tree: Tree, may_be_empty: bool
) -> tuple[list[str], np.ndarray]:
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(tree.find(folder / name))
        if not found and not may_be_empty:
            raise AutodasError(
                f"{folder / name}: no {tree.what} in this class folder ({' '.join(tree.endings)}): "
                "add some or remove the folder"
            )
        paths += found
        labels += [label] * len(found)
    return paths, np.array(labels, dtype=np.int64)


def _image_files(folder: Path) -> list[str]:
    return files_below(folder, IMAGE_ENDINGS)


def files_below(folder: Path, endings: tuple[str, ...]) -> list[str]:
    """Return the files with such an ending in a folder and in those in it, hidden ones left out."""
    return [
        os.path.join(where, name)
        for where, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(endings) and not name.startswith(".")
    ]
