"""Files of a job, copied between machines that share no file system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from autodas.runs.folder import CHECKPOINT, RUNNING, SUMMARY, TENSORBOARD
from autodas.writing import write_whole

Copies = dict[str, bytes]
"""Content of files, by their path below the folder of the job."""

_LAST = (CHECKPOINT, SUMMARY)
"""Files that promise others, in the order in which they are written."""


class Changes:
    """Files of a job that have changed since they were last copied.

    Args:
        folder: folder of the job.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._copied = self._state()

    def checkpoint(self) -> bool:
        """Return whether there is a new checkpoint."""
        state = self._state()
        return any(name.endswith(CHECKPOINT) for name in state if state[name] != self._copied.get(name))

    def take(self) -> Copies:
        """Return the changed files, and regard them as copied."""
        state = self._state()
        changed = [name for name, stamp in state.items() if self._copied.get(name) != stamp]
        self._copied = state
        return _read(self.folder, changed)

    def _state(self) -> dict[str, tuple[int, int]]:
        found = {}
        for name in _names(self.folder):
            try:
                facts = (self.folder / name).stat()
            except FileNotFoundError:
                continue
            found[name] = (facts.st_mtime_ns, facts.st_size)
        return found


def read_copies(folder: Path) -> Copies:
    """Return all files of a job."""
    return _read(folder, list(_names(folder)))


def write_copies(folder: Path, copies: Mapping[str, bytes]) -> None:
    """Write files of a job in an order that is right if it ends in between: a checkpoint after its logs."""
    for name in sorted(copies, key=_rank):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, copies[name])


def _read(folder: Path, names: list[str]) -> Copies:
    copies = {}
    # A checkpoint before its logs: a resumed run cuts off what they have beyond it.
    for name in sorted(names, key=_rank, reverse=True):
        try:
            copies[name] = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
    return copies


def _names(folder: Path) -> Iterator[str]:
    """Yield the files that resuming and comparing need: all but locks, unfinished files and TensorBoard's."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        left_aside = path.name == RUNNING or path.suffix == ".tmp" or TENSORBOARD in name.parts
        if path.is_file() and not left_aside:
            yield name.as_posix()


def _rank(name: str) -> int:
    return next((rank for rank, last in enumerate(_LAST, 1) if name.endswith(last)), 0)
