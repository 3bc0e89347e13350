"""Market-1501, persons seen by several cameras (Zheng et al. 2015), and other data in its layout."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from autodas.data.files._endings import image_endings
from autodas.data.files._walk import LeftOut, images_below
from autodas.data.pixels._sources import FileSource, Source
from autodas.data.sets._identities import Role, rows
from autodas.data.sets._keys import keys_below
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data_options import DataOptions
from autodas.errors import AutodasError

_NAME = re.compile(r"(-?\d+)_c(\d+)")
_JUNK = -1
"""Number of persons in images that do not count: they are neither right nor wrong."""
_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")


def read_market1501(rest: str, options: DataOptions) -> RawDataset[Source]:
    """Read ``bounding_box_train/``, ``query/`` and ``bounding_box_test/`` (the gallery) in a folder.

    File names begin with the number of the person and of the camera, ``0002_c1s1_000451_03.jpg``. Person -1
    is left out; person 0, persons of no query, stay in the gallery.
    """
    if options.answers not in ("auto", "embedding"):
        raise AutodasError("market1501 has identities: choose `task=embedding`, or leave it out")
    root = Path(rest)
    for folder in _FOLDERS:
        if not os.path.isdir(root / folder):
            raise AutodasError(
                f"market1501:{rest}: there is no folder {folder}: the folder with {', '.join(_FOLDERS)} "
                "is expected"
            )
    files = [_files(root / folder) for folder in _FOLDERS]
    (train, train_numbers), *tests = files
    persons = np.unique(train_numbers[:, 0])
    identities = np.searchsorted(persons, train_numbers[:, 0])
    # Those of test images follow: they are other persons, even where the numbers are the same.
    parts = [
        rows(len(persons) + numbers[:, 0], numbers[:, 1], role)
        for (_, numbers), role in zip(tests, (Role.QUERY, Role.GALLERY), strict=True)
    ]
    test = [path for paths, _ in tests for path in paths]
    return RawDataset(
        RawSplit(FileSource(train), rows(identities, train_numbers[:, 1]), keys_below(root, train)),
        RawSplit(FileSource(test), np.concatenate(parts), keys_below(root, test)),
        tuple(f"{person:04d}" for person in persons.tolist()),
        task="embedding",
    )


def _files(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return the images in a folder, and the numbers of person and camera of each, int64 (N, 2)."""
    paths, numbers = [], []
    for path in sorted(images_below(str(folder), LeftOut("images"))):
        name = os.path.basename(path)
        match = _NAME.match(name)
        if match is None:
            raise AutodasError(
                f"{path}: its name does not begin with the numbers of person and camera, as in "
                "0002_c1s1_000451_03.jpg"
            )
        if int(match[1]) != _JUNK:
            paths.append(path)
            numbers.append((int(match[1]), int(match[2])))
    if not paths:
        raise AutodasError(f"{folder}: contains no images ({', '.join(image_endings())})")
    return paths, np.array(numbers, dtype=np.int64)
