"""A run folder as it is, finished or not: nothing in it is trusted, and what is wrong with it is said."""

from __future__ import annotations

import csv
import math
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from autodas._version import __version__
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.reading import MAPPING, MEBIBYTE, parse_json, read_bytes, read_text
from autodas.runs.events import Event, Start, read_event
from autodas.runs.folder import (
    CONFIGURATION,
    ENVIRONMENT,
    EVENTS,
    GENOTYPE,
    METRICS,
    PREDICTIONS,
    SUMMARY,
)
from autodas.strict_yaml import read_yaml
from autodas.terminal import message

SHOWN = (CONFIGURATION, ENVIRONMENT, EVENTS, METRICS, GENOTYPE, SUMMARY, PREDICTIONS)
"""Files of a run that people see; a change of one of them is a change of the run."""

_LARGEST = {EVENTS: 512 * MEBIBYTE, METRICS: 128 * MEBIBYTE, SUMMARY: 16 * MEBIBYTE}
"""Bytes that are read of a file; of the others one million."""

_COMMON = re.compile(r"search|train|seed\d+")  # folders that `demo` and `compare` make

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Run:
    """What a run folder holds. Whatever is missing is empty.

    Args:
        folder: where it is.
        command: ``"search"`` or ``"train"``; empty where nothing says which.
        configuration: the text of ``config.yaml``.
        environment: versions, processor, command.
        events: the log, in its order.
        metrics: the rows of ``metrics.csv``; a number that is missing or not finite is ``None``.
        genotype: the architecture.
        summary: the result; empty while the run goes on.
        problems: a sentence for everything that is missing, cut, unreadable or from a newer version.
    """

    folder: Path
    command: str
    configuration: str
    environment: dict[str, Any]
    events: tuple[Event, ...]
    metrics: tuple[dict[str, float | None], ...]
    genotype: Genotype | None
    summary: dict[str, Any]
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the run is called."""
        return name_of(self.folder)

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.summary)

    @cached_property
    def start(self) -> Start:
        """The first event of the run; empty where it is missing."""
        return next(iter(self.events_of(Start)), Start())

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration as data; empty where it cannot be read."""
        try:
            return read_yaml(self.configuration, CONFIGURATION)
        except AutodasError:
            return {}

    def events_of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind, in their order."""
        return [event for event in self.events if isinstance(event, kind)]


def name_of(folder: str | Path) -> str:
    """Return what a run is called: its folder, with those above where that alone says little."""
    path = Path(folder).resolve()
    name = path.name
    while _COMMON.fullmatch(path.name) and path.parent != path:
        path = path.parent
        name = f"{path.name}/{name}"
    return name


def read_run(folder: str | Path, *, strict: bool = False) -> Run:
    """Read a run folder, whatever state it is in.

    Args:
        folder: the folder.
        strict: whether to raise what would be the first problem. A run that goes on has one.

    Raises:
        AutodasError: if there is no such folder.
    """
    path = Path(folder)
    if not os.path.isdir(path) and not strict:
        raise AutodasError(f"{path}: there is no such folder; give the folder of a run")
    problems = _Problems(path, strict)
    summary = problems.object(SUMMARY, "The run has not finished")
    configuration = problems.text(CONFIGURATION)
    environment = problems.object(ENVIRONMENT)
    events = problems.events()
    metrics = problems.metrics()
    genotype = problems.genotype()
    start = next((event for event in events if isinstance(event, Start)), Start())
    command = next((c for c in (start.command, summary.get("command")) if c in ("search", "train")), "")
    version = environment.get("autodas")
    if isinstance(version, str) and _newer(version):
        problems.found.insert(
            0,
            f"The run was made by autodas {version}, this page by {__version__}: "
            "what the newer version added is not shown.",
        )
    if not any((configuration, environment, events, summary)):
        problems.found = ["The folder holds no run: none of the files of a run is in it."]
    return Run(
        folder=path,
        command=command,
        configuration=configuration,
        environment=environment,
        events=tuple(events),
        metrics=tuple(metrics),
        genotype=genotype,
        summary=summary,
        problems=tuple(problems.found),
    )


def read_events(folder: str | Path) -> list[Event]:
    """Return the events of a run.

    A last line that is cut is left out: the run was killed, or it is being written at this moment.

    Args:
        folder: the run folder.

    Raises:
        AutodasError: if there is no log, or a line of it is no event; names the line. ``__cause__.__cause__``
            is the error of the system where the file cannot be read.
    """
    return _Problems(Path(folder), strict=True).events()


def read_start(folder: str | Path) -> Start:
    """Return the first line of a log, without reading the others; empty where it is none."""
    try:
        with open(Path(folder) / EVENTS, "rb") as log:
            data = parse_json(log.readline(MEBIBYTE), EVENTS)
            MAPPING.check(data, EVENTS)
        event = read_event(data, problems=[])
    except (OSError, AutodasError):
        return Start()
    return event if isinstance(event, Start) else Start()


class _Problems:
    """Reads the files of a run, and collects what is wrong with them.

    Args:
        folder: of the run.
        strict: whether to raise instead.
    """

    def __init__(self, folder: Path, strict: bool) -> None:
        self.folder, self.strict = folder, strict
        self.found: list[str] = []

    def add(self, sentence: str, error: AutodasError) -> None:
        if self.strict:
            raise error
        self.found.append(sentence)

    def text(self, name: str, absent: str | None = None) -> str:
        """Return the text of a file; an empty one where it cannot be read."""
        path = self.folder / name
        try:
            return read_text(path, _LARGEST.get(name, MEBIBYTE))
        except AutodasError as error:
            self._unreadable(name, error, f"{absent}: {name} is not there." if absent else "")
        return ""

    def _unreadable(self, name: str, error: AutodasError, absent: str) -> None:
        path = self.folder / name
        if isinstance(error.__cause__, FileNotFoundError):
            missing = AutodasError(f"{path}: missing; is {self.folder} the folder of a finished run?")
            missing.__cause__ = error
            self.add(absent or f"{name} is missing.", missing)
        else:
            # Without the folder that the page is about.
            self.add(f"{str(error).replace(str(path), name)}.", error)

    def object(self, name: str, absent: str | None = None) -> dict[str, Any]:
        """Return the object of a JSON file; an empty one where it cannot be read."""
        text = self.text(name, absent)
        if not text and not self.strict:
            return {}
        return self._parsed(text, f"{name} is damaged", f"{self.folder / name}: broken") or {}

    def _parsed(self, text: str | bytes, what: str, where: str) -> dict[str, Any] | None:
        """Return an object; ``None`` where it is none.

        Args:
            text: as JSON.
            what: begins the sentence.
            where: begins the error.
        """
        try:
            found = parse_json(text, what)
        except AutodasError as error:
            reason = str(error).removeprefix(what)
            self.add(f"{message(str(error))}.", AutodasError(f"{where}{reason}"))
            return None
        if not isinstance(found, dict):
            self.add(f"{what}: an object is expected.", AutodasError(f"{where}: an object is expected"))
            return None
        return found

    def events(self) -> list[Event]:
        """Return the events that can be read."""
        path = self.folder / EVENTS
        try:
            content = read_bytes(path, _LARGEST[EVENTS])
        except AutodasError as error:
            self._unreadable(EVENTS, error, f"{EVENTS} is missing: nothing is known of what happened.")
            return []
        lines = content.decode("utf-8", errors="replace").split("\n")
        last = lines.pop()
        events = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            data = self._parsed(
                line, f"Line {number} of {EVENTS} is left out", f"{path}:{number}: not an event"
            )
            if data is not None and (event := self._event(data, number)) is not None:
                events.append(event)
        # The last line is cut when the run was killed, or is being written at this moment.
        if last.strip() and not self.strict:
            self.found.append(f"The last line of {EVENTS} is cut, and left out.")
        return events

    def _event(self, data: dict[str, Any], number: int) -> Event | None:
        if not self.strict:
            where = f"Line {number} of {EVENTS}"
            try:
                return read_event(data, number, where, self.found)
            except AutodasError as error:
                self.found.append(f"{message(str(error))}; the line is left out.")
                return None
        name = str(data.get("event"))
        what = f"{'an' if name[:1] in 'aeiou' else 'a'} {name.replace('_', ' ')}"
        return read_event(data, number, f"{self.folder / EVENTS}:{number}: {what} that cannot be read")

    def metrics(self) -> list[dict[str, float | None]]:
        """Return the rows of the table."""
        rows: list[dict[str, float | None]] = []
        path = self.folder / METRICS
        try:
            for number, row in enumerate(csv.DictReader(self.text(METRICS).splitlines()), start=2):
                if None in row or None in row.values():
                    self.add(
                        f"Line {number} of {METRICS} is cut, and left out.",
                        AutodasError(f"{path}:{number}: cut"),
                    )
                    continue
                rows.append({name: _number(text) for name, text in row.items()})
        except csv.Error as error:
            self.add(f"{METRICS} is damaged: {error}.", AutodasError(f"{path}: broken: {error}"))
        return rows

    def genotype(self) -> Genotype | None:
        """Return the architecture; ``None`` where there is none."""
        path = self.folder / GENOTYPE
        if not os.path.exists(path):
            return None
        try:
            return Genotype.load(path)
        except AutodasError as error:
            self.add(f"{GENOTYPE} cannot be used: {message(str(error))}.", error)
            return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _newer(version: str) -> bool:
    """Return whether a version comes after this one, by the numbers it begins with."""
    return _numbers(version) > _numbers(__version__)


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdecimal() and len(part) < 10 else 0 for part in version.split(".")[:3]]
