"""Set of watched runs: those given directly, and those below given folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from autodas.errors import AutodasError
from autodas.runs.finding import is_run, runs_below
from autodas.runs.folder import EXAMPLES
from autodas.runs.reading import SHOWN


class _Watched(NamedTuple):
    """Run folder, and the folder that its links must not leave."""

    folder: Path
    root: Path


class WatchedRuns:
    """Watched runs by name. Nothing else is accessible, since names are looked up and never opened as paths.

    Args:
        places: run folders, and folders that contain runs. Runs created later are found, too.

    Raises:
        AutodasError: if a place is not a folder.
    """

    def __init__(self, places: Sequence[str | Path]) -> None:
        self.places = [Path(place).resolve() for place in places]
        for given, place in zip(places, self.places, strict=True):
            if not os.path.isdir(place):
                raise AutodasError(f"{given}: no such folder; give runs, or a folder with runs")
        self._found: dict[str, _Watched] = {}

    @property
    def single(self) -> str | None:
        """Name of the run, if exactly one run folder was given."""
        if len(self.places) == 1 and is_run(self.places[0]):
            return _name(self.places[0])
        return None

    def names(self) -> list[str]:
        """Return the names of all current runs."""
        runs: dict[str, _Watched] = {}
        for place in self.places:
            for folder in [place] if is_run(place) else runs_below(place):
                plain = name = _name(place) if folder == place else folder.relative_to(place).as_posix()
                number = 2
                while name in runs and runs[name].folder != folder:
                    name, number = f"{plain}-{number}", number + 1
                if _stays_inside(folder, place):
                    runs[name] = _Watched(folder, place)
        self._found = runs
        return sorted(runs)

    def folder(self, name: str) -> Path | None:
        """Return the folder of a run; ``None`` if the name is unknown, or its links lead elsewhere."""
        if name not in self._found:
            self.names()
        run = self._found.get(name)
        return run.folder if run is not None and _stays_inside(*run) else None

    def version(self, *names: str) -> str:
        """Return a version that changes with any file of some runs, including logs that become shorter."""
        marks = hashlib.sha256()
        for name in names:
            folder = self.folder(name)
            files = [] if folder is None else [f"{file} {_mark(folder / file)}" for file in SHOWN]
            marks.update("\n".join([name, *files, ""]).encode("utf-8", "replace"))
        return marks.hexdigest()[:16]


def _name(place: Path) -> str:
    """Return the name of a run given directly, with its parent folder for the parts of a demo."""
    return f"{place.parent.name}/{place.name}" if place.name in ("search", "train") else place.name


def _stays_inside(folder: Path, root: Path) -> bool:
    """Return whether neither a folder nor any displayed file in it is a link out of the root."""
    shown = [folder, *(folder / file for file in SHOWN), folder / EXAMPLES]
    if os.path.isdir(shown[-1]):
        shown += shown[-1].iterdir()
    return all(path.resolve().is_relative_to(root) for path in shown)


def _mark(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return "absent"
    return f"{state.st_size} {state.st_mtime_ns}"
