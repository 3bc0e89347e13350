"""Jobs, and what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autodas.runs.folder import RunFolder

THREADS = "OMP_NUM_THREADS"
"""Environment variable with the number of CPU threads of a process.

It is no setting of the run, so that a run may be continued elsewhere; a resumed run restores its own number.
"""


@dataclass(frozen=True)
class Job:
    """Sequence of runs, which ends with the first one that fails.

    Args:
        name: name in messages.
        folder: parent of the run folders.
        commands: command of each run, as the words after ``autodas``, by the name of its folder.
    """

    name: str
    folder: Path
    commands: Mapping[str, tuple[str, ...]]

    @property
    def log(self) -> Path:
        """File for the output of the commands."""
        return self.folder / "log.txt"

    def left(self) -> dict[str, tuple[str, ...]]:
        """Return the commands of the runs that are not finished."""
        return {
            part: words for part, words in self.commands.items() if not RunFolder(self.folder / part).finished
        }


@dataclass(frozen=True)
class Resources:
    """What the user wants jobs to be given.

    Args:
        at_once: number of jobs that run at a time; ``None`` for the usual number.
        threads: CPU threads of each job; ``None`` for its share.
        device: device of each job, as in ``--compute.device``.
    """

    at_once: int | None = None
    threads: int | None = None
    device: str = "auto"
