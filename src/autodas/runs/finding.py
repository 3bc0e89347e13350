"""Search for run folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from autodas.errors import AutodasError
from autodas.runs.folder import RunFolder

DEPTH = 4
"""Levels below a folder that are searched for runs."""


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run folder."""
    return RunFolder(folder).exists


def runs_below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Yield the runs below a folder, sorted by name. Links are not followed, hidden folders are skipped."""
    try:
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in inside:
        child = folder / name
        if is_run(child):
            yield child
        elif depth > 1 and not name.startswith("."):
            yield from runs_below(child, depth - 1)


def find_runs(places: Sequence[str | Path]) -> list[Path]:
    """Return the runs at given places, each once.

    Args:
        places: run folders, and folders that contain runs; a folder without runs is treated as a run whose
            files are missing.

    Raises:
        AutodasError: if a folder does not exist.
    """
    runs: dict[Path, Path] = {}
    for place in map(Path, places):
        if not os.path.isdir(place):
            raise AutodasError(f"{place}: no such folder; give runs, or a folder with runs")
        for run in [place] if is_run(place) else [*runs_below(place)] or [place]:
            runs.setdefault(run.resolve(), run)
    return list(runs.values())
