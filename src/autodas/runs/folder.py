"""Run folders, the only channel between commands, and the names of their files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError
from autodas.notebook import drawn
from autodas.reading import MEBIBYTE, parse_json, read_text
from autodas.runs._lock import RunLock
from autodas.writing import write_whole

CONFIGURATION = "config.yaml"
"""Effective configuration of a command; runs made in Python have none."""
ENVIRONMENT = "environment.json"
RUNNING = "running.json"
"""Lock file that names the running process."""
EVENTS = "events.jsonl"
METRICS = "metrics.csv"
CHECKPOINTS = "checkpoints"
CHECKPOINT = f"{CHECKPOINTS}/last.pt"
GENOTYPE = "genotype.json"
DATA = "data.json"
SUMMARY = "summary.json"
"""Result, written when the run is finished."""
TENSORBOARD = "tensorboard"
SPLIT = "split.json"
CANDIDATES = "candidates"
CANDIDATE_INDEX = f"{CANDIDATES}/index.json"
MODEL = "model.safetensors"
PREDICTIONS = "predictions.parquet"
EXAMPLES = "examples"
EXAMPLE_INDEX = f"{EXAMPLES}/index.json"
COMPARISON = "comparison.json"
"""Result of ``compare``, in the parent folder of its runs; ``COMPARISON_TABLE`` is the same as text."""
COMPARISON_TABLE = "comparison.md"
COMPARISON_PAGE = "comparison.html"
"""Page with the distribution of a table, if methods are compared by one."""


class RunFolder:
    """Folder with the files of a run, which are named by the constants of this module.

    Args:
        path: path of the folder.

    Examples:
        >>> import autodas
        >>> folder = autodas.RunFolder("runs/first").create()
        >>> folder.path.name, folder.finished
        ('first', False)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: RunLock | None = None

    @property
    def checkpoint(self) -> Path:
        """File with the saved state of the run."""
        return self.path / CHECKPOINT

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run: of a command, or of a program in Python, which has its settings."""
        return any(os.path.exists(self.path / name) for name in (CONFIGURATION, EVENTS))

    @property
    def finished(self) -> bool:
        """Whether the run is finished."""
        return os.path.exists(self.path / SUMMARY)

    def check(self, *, overwrite: bool = False) -> None:
        """Check that the folder is available for a new run.

        Args:
            overwrite: whether an existing run may be deleted.

        Raises:
            AutodasError: if the folder holds a run, or anything else.
        """
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise AutodasError(f"{self.path}: is a file, not a folder")
        self.check_free()
        if os.path.isdir(self.path) and not self._empty():
            if not self.exists:
                raise AutodasError(f"{self.path}: not empty, and not a run; choose another folder for `run`")
            if not overwrite:
                raise AutodasError(
                    f"{self.path}: already holds a run; resume it with `resume={self.path}`, "
                    "choose another folder for `run`, or replace it with `overwrite`"
                )

    def check_free(self) -> None:
        """Raise AutodasError if another process is running in the folder."""
        if self._lock is None:
            RunLock(self.path / RUNNING).check()

    def unlock(self, host: str, process: int) -> None:
        """Remove the lock of a process that is known to have died, on whatever machine.

        Args:
            host: name of its machine.
            process: number of the process.
        """
        RunLock(self.path / RUNNING).remove_of(host, process)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other processes, and create it if necessary.

        Raises:
            AutodasError: if another process is running in the folder, or it cannot be created.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AutodasError(f"{self.path}: cannot be created: {error.strerror}") from error
        lock = RunLock(self.path / RUNNING)
        lock.acquire()
        self._lock = lock
        try:
            yield
        finally:
            self._lock = None
            lock.release()

    def _empty(self) -> bool:
        """Return whether the folder is empty, or holds only the first files of a run that died at once."""
        return all(
            self._is_part_of_lock(path)
            or path.name == f"{CONFIGURATION}.tmp"
            or (path.name == CHECKPOINTS and os.path.isdir(path) and not any(path.iterdir()))
            for path in self.path.iterdir()
        )

    def _is_part_of_lock(self, path: Path) -> bool:
        return RunLock(self.path / RUNNING).owns(path.name)

    def create(self, *, overwrite: bool = False) -> RunFolder:
        """Create the folder for a new run; arguments and errors as for :meth:`check`.

        An existing run is deleted only with ``overwrite``.
        """
        self.check(overwrite=overwrite)
        try:
            if self.exists:
                self._clear()
            (self.path / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AutodasError(f"{self.path}: cannot be created: {error.strerror}") from error
        return self

    def _clear(self) -> None:
        """Delete the run in an order that leaves a valid run until the end, in case the process is killed.

        The folder itself is kept, since it may be a link or a mount point.
        """
        last = {CHECKPOINTS: 0, SUMMARY: 1, EVENTS: 3, CONFIGURATION: 4}
        for path in sorted(self.path.iterdir(), key=lambda path: last.get(path.name, 2)):
            if self._is_part_of_lock(path):
                continue
            if os.path.isdir(path) and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file atomically, and create its folder if necessary."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        return path

    def write_json(self, name: str, content: Any) -> Path:
        """Write plain data as an indented JSON file."""
        return self.write(name, json.dumps(content, indent=2) + "\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            AutodasError: if it is missing or broken.
        """
        path = self.path / name
        try:
            return parse_json(read_text(path, 256 * MEBIBYTE), f"{path}: broken")
        except AutodasError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise AutodasError(
                    f"{path}: missing; is {self.path} the folder of a finished run?"
                ) from error
            raise

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Return a description of the run and its progress, for notebooks."""
        return str(drawn("run", self.path))
