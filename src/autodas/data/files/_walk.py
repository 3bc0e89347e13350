"""Contents of a data set's folders: links are followed, irrelevant files are skipped and counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from autodas.data.files._endings import VIDEO_ENDINGS, image_endings
from autodas.errors import AutodasError

_RUBBISH = (
    *("__macosx", "__pycache__", "@eadir", "#recycle", "$recycle.bin", "system volume information"),
    "lost+found",
)
"""Folders left behind by systems and programs, in lower case, besides all that begin with a dot."""
_NAMED = 12
"""Maximum number of endings in a note."""


class LeftOut:
    """Skipped contents of a data set's folders, with a note for each kind.

    Entries are paths, so that repeated walks count them once.

    Args:
        what: noun for the samples.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.files: set[str] = set()
        """Files whose ending is not that of a sample."""
        self.hidden: set[str] = set()
        self.rubbish: set[str] = set()
        self.repeated: set[str] = set()
        """Links to folders that have already been read."""
        self.outside: set[str] = set()
        """Samples beside the class folders."""
        self.frames: set[str] = set()
        """Folders of images beside video files."""
        self.special: set[str] = set()
        """Pipes, sockets and devices: reading them may never end."""

    def notes(self) -> tuple[str, ...]:
        """Return the notes for the user."""
        notes = []
        if self.files:
            notes.append(
                f"{_count(self.files, 'file')} of unknown kind {_are(self.files)} ignored "
                f"({_by_ending(self.files)})"
            )
        if self.hidden:
            notes.append(
                f"{_count(self.hidden, 'hidden file')} {_are(self.hidden)} skipped, "
                f"such as {min(self.hidden)}"
            )
        if self.rubbish:
            names = Counter(os.path.basename(path) for path in self.rubbish)
            notes.append(
                f"{_count(self.rubbish, 'folder')} that {'is' if len(self.rubbish) == 1 else 'are'} hidden "
                f"or made by a program {_are(self.rubbish)} skipped ({_counted(names)})"
            )
        if self.repeated:
            notes.append(
                f"{_count(self.repeated, 'link')} to folders already read {_are(self.repeated)} not "
                f"followed, such as {min(self.repeated)}"
            )
        if self.outside:
            notes.append(
                f"{_count(self.outside, self.what.removesuffix('s'))} beside the class folders "
                f"{_are(self.outside)} not used, such as {min(self.outside)}"
            )
        if self.frames:
            notes.append(
                f"{_count(self.frames, 'folder')} of images beside video files {_are(self.frames)} not used, "
                f"such as {min(self.frames)}: a data set has videos of one kind"
            )
        if self.special:
            notes.append(
                f"{_count(self.special, 'pipe, socket or device', 'pipes, sockets or devices')} "
                f"{_are(self.special)} skipped, such as {min(self.special)}"
            )
        return tuple(notes)


def subfolders(folder: Path, left_out: LeftOut) -> list[str]:
    """Return the names of the folders in a folder, including links to folders, in order."""
    if not folder.is_dir():
        return []
    names = [entry.name for entry in _entries(folder) if _is_folder(entry)]
    left_out.rubbish |= {str(folder / name) for name in names if _is_rubbish(name)}
    return [name for name in names if not _is_rubbish(name)]


def files_in(folder: Path) -> list[str]:
    """Return the paths of the files directly in a folder, without hidden ones, in order."""
    return [
        entry.path
        for entry in _entries(folder)
        if not _is_folder(entry) and not _is_special(entry) and entry.name[0] != "."
    ]


def readable_names(folder: str | Path) -> set[str]:
    """Return the names of the files and folders in a folder, without pipes, sockets and devices."""
    return {entry.name for entry in _entries(folder) if not _is_special(entry)}


def walk(folder: str | Path, left_out: LeftOut) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder and each folder below it, with the names of its files, in order.

    Links are followed, except links to a folder that contains this one; a folder reached several times is
    read once.

    Raises:
        AutodasError: if a folder cannot be read.
    """
    seen = {_identity(parent) for parent in Path(folder).resolve().parents}
    waiting = [str(folder)]
    while waiting:
        where = waiting.pop()
        identity = _identity(where)
        if identity in seen:
            left_out.repeated.add(where)
            continue
        seen.add(identity)
        names: list[str] = []
        inner: list[str] = []
        for entry in _entries(where):
            if _is_folder(entry):
                (left_out.rubbish.add if _is_rubbish(entry.name) else inner.append)(entry.path)
            elif entry.name[0] == ".":
                left_out.hidden.add(entry.path)
            elif _is_special(entry):
                left_out.special.add(entry.path)
            else:
                names.append(entry.name)
        waiting += reversed(inner)
        yield where, names


def files_below(folder: str | Path, endings: tuple[str, ...], left_out: LeftOut) -> list[str]:
    """Return the files with one of the given endings in a folder and below."""
    files = _visible_files(folder, left_out)
    matching = [path for path in files if path.lower().endswith(endings)]
    left_out.files |= set(files).difference(matching)
    return matching


def images_below(folder: str | Path, left_out: LeftOut) -> list[str]:
    """Return the image files in a folder and below."""
    return files_below(folder, image_endings(), left_out)


def videos_below(folder: str | Path, left_out: LeftOut) -> list[str]:
    """Return the videos in a folder and below: files or, if there are none, folders of frames."""
    files = _visible_files(folder, left_out)
    videos = [path for path in files if path.lower().endswith(VIDEO_ENDINGS)]
    images = [path for path in files if path.lower().endswith(image_endings())]
    folders = {os.path.dirname(path) for path in images}
    left_out.files |= set(files).difference(videos, images)
    if not videos:
        # Images beside folders of frames do not form a video.
        loose = folders & {str(folder)} if len(folders) > 1 else set()
        left_out.files |= {path for path in images if os.path.dirname(path) in loose}
        return sorted(folders - loose)
    beside = {os.path.dirname(path) for path in videos}
    left_out.frames |= folders - beside
    left_out.files |= {path for path in images if os.path.dirname(path) in beside}
    return videos


def _visible_files(folder: str | Path, left_out: LeftOut) -> list[str]:
    return [os.path.join(where, name) for where, names in walk(folder, left_out) for name in names]


def _identity(folder: str | Path) -> tuple[int, int]:
    try:
        status = os.stat(folder)
    except OSError as error:
        raise AutodasError(f"{folder}: cannot be read ({error.strerror})") from error
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_special(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is neither file nor folder; broken links are not."""
    try:
        if entry.is_file() or entry.is_dir():
            return False
        entry.stat()
    except OSError:
        return False
    return True


def _is_rubbish(name: str) -> bool:
    return name[0] == "." or name.lower() in _RUBBISH


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise AutodasError(f"{folder}: cannot be read ({error.strerror})") from error


def _by_ending(paths: Iterable[str]) -> str:
    endings = Counter(os.path.splitext(path)[1].lower() or "without ending" for path in paths)
    return _counted(endings) + ("; to read .heic: pip install pillow-heif" if ".heic" in endings else "")


def _counted(names: Counter[str]) -> str:
    shown = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{name} {count}" for name, count in shown[:_NAMED])
    return text + (", ..." if len(shown) > _NAMED else "")


def _count(paths: set[str], what: str, several: str | None = None) -> str:
    return f"{len(paths)} {what if len(paths) == 1 else several or what + 's'}"


def _are(paths: set[str]) -> str:
    return "is" if len(paths) == 1 else "are"
