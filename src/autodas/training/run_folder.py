"""Run folders: the only channel between commands."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodas._version import __version__
from autodas.errors import AutodasError
from autodas.notebook import drawn
from autodas.reading import MEBIBYTE, parse_json, read_text
from autodas.training._files import write_whole
from autodas.training._run_lock import RunLock, is_part_of_lock

if TYPE_CHECKING:
    import torch


class RunFolder:
    """One run's files.

    ``config.yaml`` (effective), ``environment.json``, ``events.jsonl``, ``metrics.csv``, ``checkpoints/``,
    ``genotype.json``, ``summary.json``, ``tensorboard/``; a search adds ``split.json`` and ``candidates/``,
    training ``model.safetensors``, ``predictions.parquet`` and ``examples/``.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: RunLock | None = None

    @property
    def checkpoint(self) -> Path:
        """The file with the state of the run."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return os.path.exists(self.path / "config.yaml")

    def check(self, *, overwrite: bool = False) -> None:
        """Check that a new run can be made here.

        Args:
            overwrite: whether a run that is there already may be deleted.

        Raises:
            AutodasError: if the folder holds a run, or anything else.
        """
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise AutodasError(f"{self.path}: is a file, not a folder")
        self.check_free()
        if os.path.isdir(self.path) and not self._empty():
            if not self.exists:
                raise AutodasError(f"{self.path}: is not empty and holds no run; choose another --run folder")
            if not overwrite:
                raise AutodasError(
                    f"{self.path}: holds a run already; continue it with --resume {self.path}, "
                    "choose another --run folder, or replace it with --overwrite"
                )

    def check_free(self) -> None:
        """Raise AutodasError if another process is running here."""
        if self._lock is None:
            RunLock(self.path).check()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running here, making the folder where there is none.

        Raises:
            AutodasError: if one is.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AutodasError(f"{self.path}: cannot be made: {error.strerror}") from error
        lock = RunLock(self.path)
        lock.acquire()
        self._lock = lock
        try:
            yield
        finally:
            self._lock = None
            lock.release()

    def _empty(self) -> bool:
        """Return whether nothing is there, or only what a run began that died at once."""
        return all(
            is_part_of_lock(path.name)
            or path.name == "config.yaml.tmp"
            or (path.name == "checkpoints" and os.path.isdir(path) and not any(path.iterdir()))
            for path in self.path.iterdir()
        )

    def create(self, *, overwrite: bool = False) -> RunFolder:
        """Make the folder for a new run; arguments and errors as for :meth:`check`. Nothing is lost.

        With ``overwrite`` the run that is there is deleted.
        """
        self.check(overwrite=overwrite)
        try:
            if self.exists:
                self._clear()
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AutodasError(f"{self.path}: cannot be made: {error.strerror}") from error
        return self

    def _clear(self) -> None:
        """Delete the run, so that what is left holds a run until nothing is: this may be killed, too.

        The folder itself stays: it may be a link, or where a disk is mounted.
        """
        last = {"checkpoints": 0, "summary.json": 1, "config.yaml": 3}
        for path in sorted(self.path.iterdir(), key=lambda path: last.get(path.name, 2)):
            if is_part_of_lock(path.name):
                continue
            if os.path.isdir(path) and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file whole, making its folder where needed."""
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

    def _repr_html_(self) -> str:
        """Return what the run is and how far it came, for notebooks."""
        return str(drawn("run", self.path))

    def write_environment(self, device: torch.device | None = None) -> None:
        """Write down the machine and the versions.

        Args:
            device: where the run computes; ``None`` where others do.
        """
        facts = environment()
        if device is not None:
            from autodas.loop._computed import what_computes

            facts |= what_computes(device)
        self.write_json("environment.json", facts)


def environment() -> dict[str, Any]:
    """Return the facts about machine and software that results depend on."""
    import torch

    facts: dict[str, Any] = {
        "autodas": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": [*_program(), *sys.argv[1:]],
    }
    if torch.cuda.is_available():
        facts["cuda"] = torch.version.cuda
        facts["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return facts


def _program() -> list[str]:
    """Return how this program was started: by its name, or as a module."""
    name = Path(sys.argv[0]).name
    return ["python", "-m", "autodas"] if name == "__main__.py" else [name]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
