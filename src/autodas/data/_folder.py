"""Image files in one folder a class."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from autodas.data._assemble import RawDataset, RawSplit
from autodas.data._sources import FileSource
from autodas.errors import AutodasError

EXTENSIONS = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".jp2"),
)
"""Endings of the files that are taken for images, in lower or upper case."""
_TEST_FOLDERS = ("test", "val", "valid", "validation")


def read_folder(rest: str) -> RawDataset:
    """Read ``rest/train/CLASS/*`` and ``rest/test/CLASS/*`` (or ``val``), or ``rest/CLASS/*``."""
    root = existing_path(rest, "imagefolder")
    if not root.is_dir():
        raise AutodasError(f"{root}: is a file, but imagefolder needs a folder of class folders")
    # A class may be called "train"; only a folder of folders is a split.
    if not _subfolders(root / "train"):
        classes = _classes(root)
        return RawDataset(train=_read(root, classes), test=None, classes=classes)
    train = root / "train"
    tests = [root / name for name in _TEST_FOLDERS if _subfolders(root / name)]
    classes = _classes(train)
    if not tests:
        note = f"{root} has no test/ or val/ folder: train/ is split 80/20"
        return RawDataset(train=_read(train, classes), test=None, classes=classes, notes=(note,))
    notes = tuple(f"{folder} is not used: {tests[0]} is the test split" for folder in tests[1:])
    _compare(train, tests[0], classes, _classes(tests[0]))
    return RawDataset(
        train=_read(train, classes), test=_read(tests[0], classes, True), classes=classes, notes=notes
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


def _classes(folder: Path) -> tuple[str, ...]:
    names = _subfolders(folder)
    if names:
        return tuple(names)
    if any(path.suffix.lower() in EXTENSIONS for path in folder.iterdir()):
        raise AutodasError(
            f"{folder}: images lie here, but no class folders: move the images of each class to a folder "
            "with its name"
        )
    raise AutodasError(f"{folder}: the folder is empty: it must hold one folder of images a class")


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


def _read(folder: Path, classes: tuple[str, ...], may_be_empty: bool = False) -> RawSplit:
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(_image_files(folder / name))
        if not found and not may_be_empty:
            raise AutodasError(
                f"{folder / name}: no images in this class folder ({' '.join(EXTENSIONS)}): "
                "add some or remove the folder"
            )
        paths += found
        labels += [label] * len(found)
    return RawSplit(FileSource(paths), np.array(labels, dtype=np.int64))


def _image_files(folder: Path) -> list[str]:
    return [
        os.path.join(where, name)
        for where, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
    ]
