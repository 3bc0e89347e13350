"""UCF101 (Soomro, Zamir and Shah, 2012) with its official splits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from autodas.data.sets._keys import keys_below
from autodas.data.sets._lists import Listed, ListedSet
from autodas.data.sets._text_lists import read_lines
from autodas.data.sets._video_places import first_with, locate, named_root, split_number
from autodas.errors import AutodasError

_CLASSES = 101


def read_ucf101(rest: str) -> ListedSet:
    """Read split 1, 2 or 3 of UCF101: ``PATH``, ``PATH#2``.

    Below the path are the official lists ``classInd.txt``, ``trainlist01.txt`` and ``testlist01.txt`` (or
    02, 03), directly or in ``ucfTrainTestlist``, and the class folders, directly or in ``UCF-101`` or
    ``videos``.

    Raises:
        AutodasError: if lists or videos are missing, or the lists contradict each other.
    """
    root, option = named_root(rest, "ucf101", "SPLIT")
    split = split_number("ucf101", option)
    index = "classInd.txt"
    lists = first_with(
        root,
        (".", "ucfTrainTestlist"),
        (index,),
        f"no {index} here or in ucfTrainTestlist: unpack the official lists of splits there",
    )
    numbers = _classes(lists / index)
    videos = first_with(
        root,
        ("UCF-101", "videos", "."),
        numbers,
        "no class folders here, in UCF-101 or in videos: add the videos",
    )
    train, test = (_read(lists / f"{part}list{split:02}.txt", videos, numbers) for part in ("train", "test"))
    notes = [f"split {split} of 3"]
    if len(numbers) != _CLASSES:
        notes.append(f"{lists / index} has {len(numbers)} classes; UCF101 has {_CLASSES}")
    return ListedSet(train, test, tuple(numbers), tuple(notes))


def _classes(path: Path) -> dict[str, int]:
    """Return the number, from 0, of each class."""
    names: dict[str, int] = {}
    for line, text in read_lines(path):
        words = text.split()
        if len(words) != 2 or words[0] != str(len(names) + 1):
            raise AutodasError(
                f"{path}, line {line}: '{len(names) + 1} NAME' is expected, found '{text}': "
                "take the official list"
            )
        names[words[1]] = len(names)
    return names


def _read(path: Path, videos: Path, numbers: dict[str, int]) -> Listed:
    if not os.path.isfile(path):
        raise AutodasError(f"{path}: this official list is missing: add it")
    names, labels = [], []
    for line, text in read_lines(path):
        # In training lists the number of the class, from 1, follows the file.
        name, *number = text.split()
        folder = os.path.dirname(name)
        if folder not in numbers:
            raise AutodasError(f"{path}, line {line}: '{folder}' is not a class of classInd.txt")
        if number and number != [str(numbers[folder] + 1)]:
            raise AutodasError(
                f"{path}, line {line}: {folder} has the number {numbers[folder] + 1} in classInd.txt, "
                f"found '{' '.join(number)}'"
            )
        names.append(name)
        labels.append(numbers[folder])
    paths = locate(videos, names, str(path))
    return Listed(paths, np.array(labels, dtype=np.int64), keys_below(videos, paths))
