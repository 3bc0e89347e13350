"""Files in one folder per class: images, or other samples."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

import numpy as np

from autodas.data.files._content import digest_of_file
from autodas.data.files._endings import image_endings
from autodas.data.files._walk import LeftOut, files_in, images_below, subfolders
from autodas.data.pixels._sources import FileSource, Source
from autodas.data.sets._answers import multilabel_note
from autodas.data.sets._keys import keys_below
from autodas.data.sets._split_names import SplitName, split_of
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data.splits._split import Named
from autodas.data_options import DataOptions
from autodas.errors import AutodasError

S = TypeVar("S", bound=Named)


@dataclass(frozen=True)
class Tree:
    """Files of one kind of folder data set.

    Args:
        kind: its name, as in ``imagefolder:PATH``.
        what: noun for the samples.
        endings: endings of their files.
        find: function that returns the samples in a class folder, and adds other entries to its second
            argument.
    """

    kind: str
    what: str
    endings: tuple[str, ...]
    find: Callable[[str, LeftOut], list[str]]


@dataclass(frozen=True)
class Layout:
    """Location of the class folders of a data set.

    Args:
        train: folder that contains those of the training split, if any.
        test: folder that contains those of the test split, if any.
        classes: names of the class folders in ``train``, if these are not all of its folders.
        notes: notes for the user on how they were found.
    """

    train: Path | None
    test: Path | None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_folder(rest: str, options: DataOptions) -> RawDataset[Source]:
    """Read images in ``rest/train/CLASS/*`` and ``rest/test/CLASS/*`` (or ``val``), or ``rest/CLASS/*``."""
    return read_tree(rest, Tree("imagefolder", "images", image_endings(), images_below), FileSource, options)


def read_tree(rest: str, tree: Tree, source: Callable[[list[str]], S], options: DataOptions) -> RawDataset[S]:
    """Read the samples in ``rest/train/CLASS`` and ``rest/test/CLASS`` (or ``val``), or in ``rest/CLASS``.

    For several labels a sample, files of one name and content in several class folders are one sample.

    Args:
        rest: the folder.
        tree: files to look for.
        source: factory of the source for the files of a split.
        options: ``task``.
    """
    if options.answers == "regression" or options.targets:
        raise AutodasError(
            f"{tree.kind}:{rest}: class folders have neither targets nor columns: write a list"
        )
    several = options.answers == "multilabel"
    root = existing_path(rest, tree.kind)
    if not os.path.isdir(root):
        raise AutodasError(f"{root}: is a file, but {tree.kind} needs a folder of class folders")
    left_out = LeftOut(tree.what)
    layout = find_layout(root, left_out)
    by_folder = {
        folder: _find(folder, layout.classes if folder == layout.train else (), tree, left_out)
        for folder in (layout.train, layout.test)
        if folder is not None
    }
    main = by_folder[layout.train or layout.test]  # type: ignore[index]  # one of them exists
    classes = sorted({name for samples in by_folder.values() for name in samples})

    def split(folder: Path) -> RawSplit[S]:
        if several:
            paths, table = _together(folder, by_folder[folder], classes)
            return RawSplit(source(paths), table, keys_below(folder, paths))
        paths = [path for samples in by_folder[folder].values() for path in samples]
        labels = [classes.index(name) for name, samples in by_folder[folder].items() for _ in samples]
        return RawSplit(source(paths), np.array(labels, dtype=np.int64), keys_below(folder, paths))

    note = f"{root}: {multilabel_note('files of one name and content in several folders', len(classes))}"

    return RawDataset(
        train=None if layout.train is None else split(layout.train),
        test=None if layout.test is None else split(layout.test),
        classes=tuple(classes),
        notes=(*layout.notes, *left_out.notes(), *([note] if several else [])),
        refusal=_empty_class(main, layout, tree, left_out)
        or _different_classes(layout, by_folder)
        or _splits_as_classes(layout, main),
        task="multilabel" if several else "classification",
    )


def _together(
    folder: Path, samples: dict[str, list[str]], classes: list[str]
) -> tuple[list[str], np.ndarray]:
    """Return each sample once, by its path in the first of its folders, and its labels, uint8 (N, K)."""
    named: dict[str, list[tuple[str, str]]] = {}
    for name, paths in samples.items():
        for path in paths:
            named.setdefault(os.path.relpath(path, folder / name), []).append((name, path))
    labels: dict[str, set[str]] = {}
    for places in named.values():
        first: dict[object, str] = {}
        for name, path in places:
            # Files that share no name with another are not read.
            content = digest_of_file(path) if len(places) > 1 else path
            labels.setdefault(first.setdefault(content, path), set()).add(name)
    table = np.array([[name in own for name in classes] for own in labels.values()], dtype=np.uint8)
    return list(labels), table.reshape(-1, len(classes))


def existing_path(rest: str, kind: str) -> Path:
    """Return the path that follows the kind of a data set.

    Raises:
        AutodasError: if there is no path, or it does not exist.
    """
    if not rest:
        raise AutodasError(f"data set '{kind}' needs a path: write {kind}:PATH")
    path = Path(rest).expanduser()
    if not os.path.exists(path):
        raise AutodasError(f"{path}: no such file or folder (data set {kind}:{rest})")
    return path


def find_layout(root: Path, left_out: LeftOut) -> Layout:
    """Return the location of the class folders: in folders of splits, in any spelling, or in ``root``.

    Raises:
        AutodasError: if two folders have the name of one split, or several splits have no class folders.
    """
    names = subfolders(root, left_out)
    splits: dict[SplitName, str] = {}
    # A class may be called "train"; only a folder of folders is a split.
    for name in names:
        role = split_of(name)
        if role is None or not subfolders(root / name, left_out):
            continue
        if role in splits:
            raise AutodasError(
                f"{root}: both {splits[role]} and {name} are {role} splits by their names: rename one, "
                "or move it elsewhere"
            )
        splits[role] = name
    others = [name for name in names if name not in splits.values()]
    test = splits.get("test") or splits.get("val")
    notes = []
    if "test" in splits and "val" in splits:
        notes.append(f"{root / splits['val']} is not used: {root / splits['test']} is the test split")
    if "train" in splits:
        if others:
            named = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
            notes.append(f"{root}: {named} beside the splits {'is' if len(others) == 1 else 'are'} not used")
        return Layout(root / splits["train"], root / test if test else None, notes=tuple(notes))
    _check_split_names(root, names, left_out)
    if test is None:
        return Layout(root, None)
    if not others:
        return Layout(None, root / test, notes=tuple(notes))
    if set(others) >= set(subfolders(root / test, left_out)):
        notes.append(f"{root / test} is the test split: its folders have the names of those beside it")
        return Layout(root, root / test, tuple(others), tuple(notes))
    return Layout(root, None)


def _check_split_names(root: Path, names: list[str], left_out: LeftOut) -> None:
    """Raise AutodasError if folders without class folders have the names of several splits."""
    splits = [name for name in names if split_of(name)]
    bare = [name for name in splits if not subfolders(root / name, left_out)]
    if not bare or len({split_of(name) for name in splits}) < 2:
        return
    raise AutodasError(
        f"{root}: {' and '.join(splits)} are splits by their names, but there are no class folders in "
        f"{' and '.join(bare)}: move the {left_out.what} of each class to a folder with its name, such as "
        f"{root / bare[0] / 'CLASS'}; or if they are classes, give them other names"
    )


def _find(folder: Path, classes: tuple[str, ...], tree: Tree, left_out: LeftOut) -> dict[str, list[str]]:
    """Return the samples of each class folder in a folder."""
    names = classes or tuple(subfolders(folder, left_out))
    loose = [path for path in files_in(folder) if path.lower().endswith(tree.endings)]
    if not names and loose:
        raise AutodasError(
            f"{folder}: {tree.what} lie here, but no class folders: move the {tree.what} of each class to a "
            "folder with its name"
        )
    if not names:
        raise AutodasError(
            f"{folder}: the folder is empty: it must contain one folder of {tree.what} per class"
        )
    left_out.outside.update(loose)
    return {name: sorted(tree.find(str(folder / name), left_out)) for name in names}


def _empty_class(samples: dict[str, list[str]], layout: Layout, tree: Tree, left_out: LeftOut) -> str | None:
    empty = next((name for name, paths in samples.items() if not paths), None)
    if empty is None or layout.train is None:
        return None
    folder = layout.train / empty
    inside = LeftOut(tree.what)
    tree.find(str(folder), inside)
    there = "".join(f"; {note}" for note in inside.notes())
    return (
        f"{folder}: no {tree.what} in this class folder ({' '.join(tree.endings)}): "
        f"add some or remove the folder{there}"
    )


def _different_classes(layout: Layout, by_folder: dict[Path, dict[str, list[str]]]) -> str | None:
    if layout.train is None or layout.test is None:
        return None
    pair = (layout.train, layout.test)
    for here, there in (pair, pair[::-1]):
        only = [name for name in by_folder[here] if name not in by_folder[there]]
        if only:
            names = ", ".join(f"'{name}'" for name in only[:5]) + (", ..." if len(only) > 5 else "")
            return (
                f"{here} and {there} have different classes: {names} only in {here}: "
                "make the class folders equal"
            )
    return None


def _splits_as_classes(layout: Layout, samples: dict[str, list[str]]) -> str | None:
    """Return an error if the class folders look like splits: all contain only folders of the same names."""
    if layout.train is None or len(samples) < 2:
        return None
    inner = []
    for name, paths in samples.items():
        parts = [PurePath(path).relative_to(layout.train / name).parts for path in paths]
        if any(len(part) < 2 for part in parts):
            return None
        inner.append({part[0] for part in parts})
    same = sorted(set.intersection(*inner))
    if len(same) < 2:
        return None
    names, folders = ", ".join(list(samples)[:5]), ", ".join(same[:5])
    return (
        f"{layout.train}: its folders ({names}) contain folders of the same names ({folders}), so they look "
        "like splits, not classes: call them train and test; or if they are classes, name them with "
        f"`data.classes={','.join(samples)}`"
    )
