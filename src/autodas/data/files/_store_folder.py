"""Folders of stored frames and images: names, use by processes, removal."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Only systems with POSIX file locks can tell who uses a folder.
fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None

ENDING = ".frames"
"""Ending of the file of a video."""
IMAGES = ".images"
"""Ending of the file of a part of an image set."""

_FACTS, _LOCK = "store.json", "lock"
_PART = re.compile(r".+\.(?P<host>[^.]+)\.(?P<pid>\d+)-\d+\.part")
_OURS = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.(frames|images)(\..+\.part)?|store\.json(\..+\.part)?|lock")
_NAME = re.compile(r"[a-z0-9-]+-\d+px-(raw|jpeg)-[0-9a-f]{16}")
# Version 0.1 stored a whole data set in one file.
_OLD_NAME = re.compile(r"(frames|optical-flow)-[0-9a-f]{16}(-unfinished-.+)?")
_OLD_FILES = ("frames.bin", "index.json")
_DAY = 86_400.0


@dataclass(frozen=True)
class StoreFolder:
    """Folder of stored frames or images.

    Attributes:
        path: path of the folder.
        what: kind of its content, such as ``"frames"`` or ``"images"``.
        data: name of the data set; empty if unknown.
        files: number of files: one per video, or one per part of an image set.
        bytes: total size of its files.
        used: time of its last use, in seconds since 1970.
        in_use: whether a running process uses it.
    """

    path: Path
    what: str
    data: str
    files: int
    bytes: int
    used: float
    in_use: bool


class Lock:
    """Lock that marks a folder as used until it is closed or the process ends, however it ends.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file: int | None = None
        if fcntl is None:
            return
        # A folder on a read-only disk, or one without locks, is used anyway.
        with suppress(OSError):
            self._file = os.open(folder / _LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_SH)
            os.utime(self._file)

    def close(self) -> None:
        """Release the folder."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.close()

    def __getstate__(self) -> dict[str, object]:
        # The process that started a worker outlives it, and holds the lock.
        return {"_file": None}


def absolute_name(data: str) -> str:
    """Return the name of a data set with its absolute path."""
    kind, colon, rest = data.partition(":")
    return f"{kind}:{os.path.abspath(os.path.expanduser(rest))}" if colon else kind


def short_hash(text: str) -> str:
    """Return the hash used in names of folders and files."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def unfinished(target: Path) -> Path:
    """Return the name of a file until it is complete, which identifies its process."""
    # Threads of one process may store the same video.
    return target.with_name(f"{target.name}.{_host()}.{os.getpid()}-{time.monotonic_ns()}.part")


def remove_leftovers(folder: Path) -> None:
    """Remove unfinished files of processes that have ended."""
    for path in folder.glob("*.part"):
        match = _PART.fullmatch(path.name)
        if match is None:
            continue
        with suppress(OSError):
            # For other machines only the age is known.
            alive = match["host"] != _host() or _alive(int(match["pid"]))
            if not alive or time.time() - path.stat().st_mtime > _DAY:
                path.unlink()


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write a description of a folder."""
    temporary = unfinished(folder / _FACTS)
    temporary.write_text(json.dumps(facts), encoding="utf-8", errors="surrogateescape")
    os.replace(temporary, folder / _FACTS)


def store_folders(root: Path) -> list[StoreFolder]:
    """Return the folders of stored frames in a folder, the most recently used last."""
    try:
        inside = sorted(root.iterdir())
    except OSError:
        return []
    stores = [
        _look(path)
        for path in inside
        if (_NAME.fullmatch(path.name) or _OLD_NAME.fullmatch(path.name))
        and path.is_dir()
        and not path.is_symlink()
    ]
    return sorted(stores, key=lambda store: store.used)


def remove_store(store: StoreFolder) -> str | None:
    """Remove a folder of stored frames, unless it is in use.

    Only files written by this program are deleted; a folder with other files is kept, with those files.

    Returns:
        Why it was not removed, or not completely; ``None`` if it was.
    """
    lock: int | None = None
    try:
        if fcntl is not None:
            with suppress(FileNotFoundError):
                lock = os.open(store.path / _LOCK, os.O_RDONLY)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in _own_files(store.path):
            path.unlink()
        store.path.rmdir()
    except BlockingIOError:
        return "it is in use"
    except OSError as error:
        return error.strerror or str(error)
    finally:
        if lock is not None:
            os.close(lock)
    return None


def _own_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that were written by this program, the lock last."""
    old = _OLD_NAME.fullmatch(folder.name) is not None
    for path in sorted(folder.iterdir(), key=lambda path: path.name == _LOCK):
        ours = path.name in _OLD_FILES if old else _OURS.fullmatch(path.name) is not None
        if ours and path.is_file() and not path.is_symlink():
            yield path


def _look(folder: Path) -> StoreFolder:
    facts: Any = None
    with suppress(OSError, ValueError, RecursionError):
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    facts = facts if isinstance(facts, dict) else {}
    what, data = (value if isinstance(value := facts.get(key), str) else "" for key in ("what", "data"))
    sizes, used, files = 0, 0.0, 0
    with suppress(OSError):
        used = folder.stat().st_mtime
        for path in _own_files(folder):
            status = path.stat()
            sizes, used = sizes + status.st_size, max(used, status.st_mtime)
            files += path.name.endswith((ENDING, IMAGES))
    old = _OLD_NAME.fullmatch(folder.name) is not None
    what = "frames of an earlier version" if old else what or folder.name.rpartition("px-")[0] + "px"
    return StoreFolder(folder, what, data, files, sizes, used, _in_use(folder))


def _in_use(folder: Path) -> bool:
    if fcntl is None:
        return False
    try:
        file = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # no system has such process numbers
        return False
    except OSError:
        return True
    return True


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())
