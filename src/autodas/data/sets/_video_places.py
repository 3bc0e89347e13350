"""Locations of the files of a named set of videos."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from autodas.data.files._endings import VIDEO_ENDINGS
from autodas.data.sets._image_folder import existing_path
from autodas.data.sets._lists import split_option
from autodas.errors import AutodasError


def named_root(rest: str, kind: str, option: str) -> tuple[Path, str]:
    """Return the folder of a named set, and the text after ``#`` in its name.

    Args:
        rest: ``PATH``, ``PATH#OPTION``; without a path ``$AUTODAS_DATA/kind`` and ``./data/kind``.
        kind: name of the set.
        option: name of the option in messages, such as ``SPLIT``; empty if there is none.

    Raises:
        AutodasError: if the folder is missing, or an option is given where there is none.
    """
    written, given = split_option(rest)
    if given and not option:
        raise AutodasError(f"data set '{kind}' has no option, found '#{given}': write {kind}:PATH")
    if written:
        root = existing_path(written, kind)
        if not os.path.isdir(root):
            raise AutodasError(f"{root}: is a file: write {kind}:FOLDER")
        return root, given
    home = os.environ.get("AUTODAS_DATA")
    places = ([Path(home) / kind] if home else []) + [Path("data") / kind]
    for place in places:
        if os.path.isdir(place):
            return place, given
    raise AutodasError(
        f"data set '{kind}' is not in {' and '.join(map(str, places))}: write {kind}:PATH"
        f"{f' or {kind}:PATH#{option}' if option else ''}, or set AUTODAS_DATA to the folder that holds it"
    )


def first_with(root: Path, folders: Sequence[str], names: Iterable[str], missing: str) -> Path:
    """Return the first of the given folders below ``root`` that contains one of the names.

    Args:
        root: folder to search.
        folders: folders relative to it; ``.`` is the root itself.
        names: names of files or folders.
        missing: message if there is none.

    Raises:
        AutodasError: if none of the folders contains any.
    """
    wanted = list(names)
    for folder in folders:
        if any(os.path.exists(root / folder / name) for name in wanted):
            return root / folder
    raise AutodasError(f"{root}: {missing}")


def stems(folder: str | Path) -> dict[str, str]:
    """Return the videos of a folder, names without ending to names; none if the folder is missing."""
    if not os.path.isdir(folder):
        return {}
    names = (name for name in sorted(os.listdir(folder)) if name.lower().endswith(VIDEO_ENDINGS))
    return {os.path.splitext(name)[0]: name for name in names}


def locate(root: Path, names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the paths of required videos; their endings may differ from the listed ones.

    Args:
        root: folder that the names are relative to.
        names: names in the list.
        where: name of the list, for messages.

    Raises:
        AutodasError: if the list is empty, or videos are missing.
    """
    if not names:
        raise AutodasError(f"{where}: the list names no videos")
    folders: dict[str, dict[str, str]] = {}
    paths: list[str] = []
    missing: list[str] = []
    for name in names:
        folder, file = os.path.split(name)
        if folder not in folders:
            folders[folder] = stems(root / folder)
        located = file if os.path.exists(root / name) else folders[folder].get(os.path.splitext(file)[0])
        if located is None:
            missing.append(name)
        else:
            paths.append(os.path.join(root, folder, located))
    if missing:
        raise AutodasError(
            f"{where}: {len(missing)} of {len(names)} videos are not in {root}: {', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}: add them, or read the folder without the list: "
            f"videofolder:{root}"
        )
    return tuple(paths)


def split_number(kind: str, option: str) -> int:
    """Return the number of one of three official splits; 1 by default.

    Raises:
        AutodasError: if it is not 1, 2 or 3.
    """
    if option not in ("", "1", "2", "3"):
        raise AutodasError(f"{kind} has the splits 1, 2 and 3, found '{option}': write {kind}:PATH#1")
    return int(option or 1)
