"""Runs of commands that are started once, and resumed where they were stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from autodas.runs.folder import ENVIRONMENT, RunFolder
from autodas.runs.reading import Run, read_run


def finished_run(words: Sequence[str], folder: Path) -> Run:
    """Return the finished run of a command in a folder; nothing is repeated.

    Args:
        words: command and options, without those of the folder.
        folder: run folder.
    """
    if not RunFolder(folder).finished:
        quiet = ["--resume=auto", "--quiet", "--tensorboard=false"]
        subprocess.run(
            [sys.executable, "-m", "autodas", *words, f"--run={folder}", *quiet],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return read_run(folder, strict=True)


def machine(run: Run) -> dict[str, object]:
    """Return facts about the machine and the versions of a run."""
    environment = json.loads((run.folder / ENVIRONMENT).read_text())
    return {name: environment[name] for name in ("autodas", "torch", "processor", "cores", "threads")}
