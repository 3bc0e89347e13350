"""HMDB51 (Kuehne, Jhuang, Garrote, Poggio and Serre, 2011) with its official splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autodas.data.sets._keys import keys_below
from autodas.data.sets._lists import Listed, ListedSet
from autodas.data.sets._text_lists import read_lines
from autodas.data.sets._video_places import first_with, locate, named_root, split_number
from autodas.errors import AutodasError

_CLASSES = 51
_LISTS = (".", "testTrainMulti_7030_splits", "splits")
_CODES = {"0": None, "1": "train", "2": "test"}


def read_hmdb51(rest: str) -> ListedSet:
    """Read split 1, 2 or 3 of HMDB51: ``PATH``, ``PATH#2``.

    Below the path are the official lists ``CLASS_test_split1.txt`` (or 2, 3), directly or in
    ``testTrainMulti_7030_splits`` or ``splits``, and the class folders, directly or in ``hmdb51_org`` or
    ``videos``. A list states for each video of a class whether it is for training (1), for testing (2) or
    unused in this split (0).

    Raises:
        AutodasError: if lists or videos are missing, or a list is malformed.
    """
    root, option = named_root(rest, "hmdb51", "SPLIT")
    ending = f"_test_split{split_number('hmdb51', option)}.txt"
    lists = {
        path.name.removesuffix(ending): path for place in _LISTS for path in (root / place).glob(f"*{ending}")
    }
    if not lists:
        raise AutodasError(
            f"{root}: no lists CLASS{ending} here or in {' or '.join(_LISTS[1:])}: "
            "unpack the official lists of splits there"
        )
    classes = tuple(sorted(lists))
    videos = first_with(
        root,
        ("hmdb51_org", "videos", "."),
        classes,
        "no class folders here, in hmdb51_org or in videos: unpack the videos, a folder a class",
    )
    names: dict[str, list[str]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    for label, name in enumerate(classes):
        for part, video in _read(lists[name]):
            names[part].append(f"{name}/{video}")
            labels[part].append(label)
    where = str(lists[classes[0]].parent / f"*{ending}")
    listed = {}
    for part in names:
        paths = locate(videos, names[part], f"{where} ({part})")
        listed[part] = Listed(paths, np.array(labels[part], dtype=np.int64), keys_below(videos, paths))
    notes = [f"split {split_number('hmdb51', option)} of 3"]
    if len(classes) != _CLASSES:
        notes.append(f"{where} are {len(classes)} classes; HMDB51 has {_CLASSES}")
    return ListedSet(listed["train"], listed["test"], classes, tuple(notes))


def _read(path: Path) -> list[tuple[str, str]]:
    """Return split and name of the videos of one class that the split uses."""
    videos = []
    # Names of videos may begin with the sign that begins a comment elsewhere.
    for line, text in read_lines(path, comments=False):
        words = text.rsplit(None, 1)
        if len(words) != 2 or words[1] not in _CODES:
            raise AutodasError(f"{path}, line {line}: a file and 0, 1 or 2 are expected, found '{text}'")
        part = _CODES[words[1]]
        if part:
            videos.append((part, words[0]))
    return videos
