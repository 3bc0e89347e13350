"""The part of a Ray task that runs on a node of the cluster. Does not import ray."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from autodas.cli.jobs._copies import Changes, Copies, write_copies
from autodas.cli.jobs._job import Job
from autodas.cli.jobs._process import start_command
from autodas.errors import AutodasError

MARKER = "driver.tmp"
"""File in the folder of a job, by whose content a node recognises the file system of the driver."""

_COPY = "copy.tmp"
"""File in a folder that is a copy of the driver's, and may be replaced by another."""

_PAUSE = 0.5


class Started(NamedTuple):
    """Start of a command: the folder of its run, and its process."""

    part: str
    host: str
    process: int


class Ended(NamedTuple):
    """End of a command: the folder of its run, and its exit code."""

    part: str
    code: int


@dataclass(frozen=True)
class Attempt:
    """Attempt to finish a job.

    Args:
        job: the job.
        directory: working directory of the driver, to which paths on command lines are relative.
        token: content of the marker.
        environment: environment variables of the commands.
    """

    job: Job
    directory: Path
    token: str
    environment: Mapping[str, str]


Event = Started | Ended | Copies
"""What a node reports: files as well, if it does not share the file system of the driver."""


def run_attempt(attempt: Attempt, files_of_driver: Callable[[], Copies]) -> Iterator[Event]:
    """Run the commands of a job that are left, up to the first one that fails.

    On a node that does not share the file system of the driver, the folder of the job has the same path. It
    begins as a copy of the driver's, and changed files are returned after every checkpoint and every command.

    Args:
        attempt: the attempt.
        files_of_driver: function that returns the files of the job on the driver's machine.

    Raises:
        AutodasError: if the folder cannot be written on this node.
    """
    job = attempt.job
    try:
        attempt.directory.mkdir(parents=True, exist_ok=True)
        os.chdir(attempt.directory)
        shared = _shared(attempt)
        if not shared:
            _copy(job.folder, files_of_driver())
    except OSError as error:
        raise AutodasError(
            f"{error.filename}: cannot be written on node {socket.gethostname()}: {error.strerror}; choose a "
            "`run` on a file system that all nodes share, or that can be created on each"
        ) from error
    changes = None if shared else Changes(job.folder)
    for part, words in job.left().items():
        process = start_command(words, job.log, attempt.environment)
        try:
            yield Started(part, socket.gethostname(), process.pid)
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_PAUSE)
                if changes is not None and changes.checkpoint():
                    yield changes.take()
        except BaseException:  # the task is cancelled
            process.terminate()
            process.wait()
            raise
        if changes is not None:
            yield changes.take()
        yield Ended(part, process.returncode)
        if process.returncode != 0:
            return


def _copy(folder: Path, files: Copies) -> None:
    """Replace an earlier copy of the folder of a job."""
    if folder.exists():
        if not (folder / _COPY).exists():
            raise AutodasError(
                f"{folder}: exists on node {socket.gethostname()}, which does not share the file system of "
                "this command, and is no copy: delete it there, or choose another `run`"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _COPY).touch()
    write_copies(folder, files)


def _shared(attempt: Attempt) -> bool:
    try:
        return (attempt.job.folder / MARKER).read_text(encoding="utf-8") == attempt.token
    except (FileNotFoundError, NotADirectoryError):
        return False
