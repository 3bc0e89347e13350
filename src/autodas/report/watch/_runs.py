"""Which runs are shown: those that were named, and those below folders that were named."""

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
    """A run, and the folder that it must not lead out of."""

    folder: Path
    root: Path


class WatchedRuns:
    """The runs that are shown, by name. Nothing else can be reached: a name is looked up, never opened.

    Args:
        places: run folders, and folders with runs somewhere below. Runs that are made later are found, too.

    Raises:
        AutodasError: if one of them is no folder.
    """

    def __init__(self, places: Sequence[str | Path]) -> None:
        self.places = [Path(place).resolve() for place in places]
        for given, place in zip(places, self.places, strict=True):
            if not os.path.isdir(place):
                raise AutodasError(f"{given}: there is no such folder; give runs, or a folder with runs")
        self._found: dict[str, _Watched] = {}

    @property
    def single(self) -> str | None:
        """The name of the run, where exactly one was named."""
        if len(self.places) == 1 and is_run(self.places[0]):
            return _name(self.places[0])
        return None

    def names(self) -> list[str]:
        """Return the names of all runs that there are now."""
        found: dict[str, _Watched] = {}
        for place in self.places:
            for folder in [place] if is_run(place) else runs_below(place):
                plain = name = _name(place) if folder == place else folder.relative_to(place).as_posix()
                number = 2
                while name in found and found[name].folder != folder:
                    name, number = f"{plain}-{number}", number + 1
                if _stays_inside(folder, place):
                    found[name] = _Watched(folder, place)
        self._found = found
        return sorted(found)

    def folder(self, name: str) -> Path | None:
        """Return the folder of a run; ``None`` where there is none of that name, or it leads elsewhere."""
        if name not in self._found:
            self.names()
        run = self._found.get(name)
        return run.folder if run is not None and _stays_inside(*run) else None

    def version(self, *names: str) -> str:
        """Return a word that changes when something of some runs changes; also when a log gets shorter."""
        marks = hashlib.sha256()
        for name in names:
            folder = self.folder(name)
            found = [] if folder is None else [f"{file} {_mark(folder / file)}" for file in SHOWN]
            marks.update("\n".join([name, *found, ""]).encode("utf-8", "replace"))
        return marks.hexdigest()[:16]


def _name(place: Path) -> str:
    """Return the name of a run that was named by itself; half of a demo says which demo."""
    return f"{place.parent.name}/{place.name}" if place.name in ("search", "train") else place.name


def _stays_inside(folder: Path, root: Path) -> bool:
    """Return whether neither a folder nor a file of it that is shown is a link that leads out of the root."""
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
