"""Lenient reading of run folders, finished or not: nothing is trusted, and problems are reported."""

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
"""Displayed files of a run, whose changes are changes of the run."""

_LARGEST = {EVENTS: 512 * MEBIBYTE, METRICS: 128 * MEBIBYTE, SUMMARY: 16 * MEBIBYTE}
"""Largest number of bytes read from a file; one MiB for the others."""

_COMMON = re.compile(r"search|train(-random)?|seed\d+")  # folders created by `demo` and `compare`

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Run:
    """Content of a run folder. Missing parts are empty.

    Args:
        folder: path of the folder.
        command: ``"search"`` or ``"train"``; empty if unknown.
        configuration: text of ``config.yaml``.
        environment: versions, processor, command.
        events: events of the log, in order.
        metrics: rows of ``metrics.csv``; missing and non-finite numbers are ``None``.
        genotype: resulting or trained architecture.
        summary: result; empty while the run is in progress.
        problems: a sentence for everything that is missing, truncated, unreadable or from a newer version.
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
        """Name of the run."""
        return name_of(self.folder)

    @property
    def finished(self) -> bool:
        """Whether the run is finished."""
        return bool(self.summary)

    @cached_property
    def start(self) -> Start:
        """First event of the run; empty if it is missing."""
        return next(iter(self.events_of(Start)), Start())

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Configuration as data; empty if it is unreadable."""
        try:
            return read_yaml(self.configuration, CONFIGURATION)
        except AutodasError:
            return {}

    def events_of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]


def name_of(folder: str | Path) -> str:
    """Return the name of a run: its folder, preceded by parent folders if its own name is generic."""
    path = Path(folder).resolve()
    name = path.name
    while _COMMON.fullmatch(path.name) and path.parent != path:
        path = path.parent
        name = f"{path.name}/{name}"
    return name


def read_run(folder: str | Path, *, strict: bool = False) -> Run:
    """Read a run folder in any state.

    Args:
        folder: path of the folder.
        strict: whether to raise the first problem. Unfinished runs always have one.

    Raises:
        AutodasError: if the folder does not exist, or for the first problem if ``strict``.
    """
    path = Path(folder)
    if not os.path.isdir(path) and not strict:
        raise AutodasError(f"{path}: no such folder; give the folder of a run")
    problems = _Problems(path, strict)
    summary = problems.object(SUMMARY, "The run has not finished")
    configuration = problems.text(
        CONFIGURATION, "The settings are unknown, as those of any run made in Python"
    )
    environment = problems.object(ENVIRONMENT)
    events = problems.events()
    metrics = problems.metrics()
    genotype = problems.genotype()
    start = next((event for event in events if isinstance(event, Start)), Start())
    command = next((c for c in (start.command, summary.get("command")) if c in ("search", "train")), "")
    version = environment.get("autodas")
    if isinstance(version, str) and _newer(version):
        problems.sentences.insert(
            0,
            f"The run was made by autodas {version}, this page by {__version__}: "
            "additions of the newer version are not shown.",
        )
    if not any((configuration, environment, events, summary)):
        problems.sentences = ["The folder does not hold a run: it has none of the files of a run."]
    return Run(
        folder=path,
        command=command,
        configuration=configuration,
        environment=environment,
        events=tuple(events),
        metrics=tuple(metrics),
        genotype=genotype,
        summary=summary,
        problems=tuple(problems.sentences),
    )


def read_events(folder: str | Path) -> list[Event]:
    """Return the events of a run.

    A truncated last line is skipped: the run was killed, or the line is just being written.

    Args:
        folder: run folder.

    Raises:
        AutodasError: if the log is missing, or a line is not an event; the message names the line.
            ``__cause__.__cause__`` is the system error if the file cannot be read.
    """
    return _Problems(Path(folder), strict=True).events()


def read_start(folder: str | Path) -> Start:
    """Return the start event of a log, reading only its first line; empty if it is missing."""
    try:
        with open(Path(folder) / EVENTS, "rb") as log:
            data = parse_json(log.readline(MEBIBYTE), EVENTS)
            MAPPING.check(data, EVENTS)
        event = read_event(data, problems=[])
    except (OSError, AutodasError):
        return Start()
    return event if isinstance(event, Start) else Start()


class _Problems:
    """Reader of the files of a run that collects their problems.

    Args:
        folder: run folder.
        strict: whether to raise problems instead.
    """

    def __init__(self, folder: Path, strict: bool) -> None:
        self.folder, self.strict = folder, strict
        self.sentences: list[str] = []

    def add(self, sentence: str, error: AutodasError) -> None:
        if self.strict:
            raise error
        self.sentences.append(sentence)

    def text(self, name: str, absent: str | None = None) -> str:
        """Return the text of a file; an empty one if it is unreadable."""
        path = self.folder / name
        try:
            return read_text(path, _LARGEST.get(name, MEBIBYTE))
        except AutodasError as error:
            self._unreadable(name, error, f"{absent}: {name} is missing." if absent else "")
        return ""

    def _unreadable(self, name: str, error: AutodasError, absent: str) -> None:
        path = self.folder / name
        if isinstance(error.__cause__, FileNotFoundError):
            missing = AutodasError(f"{path}: missing; is {self.folder} the folder of a finished run?")
            missing.__cause__ = error
            self.add(absent or f"{name} is missing.", missing)
        else:
            # Without the path of the folder, which is the subject of the page.
            self.add(f"{str(error).replace(str(path), name)}.", error)

    def object(self, name: str, absent: str | None = None) -> dict[str, Any]:
        """Return the object in a JSON file; an empty one if it is unreadable."""
        text = self.text(name, absent)
        if not text and not self.strict:
            return {}
        return self._parsed(text, f"{name} is damaged", f"{self.folder / name}: broken") or {}

    def _parsed(self, text: str | bytes, what: str, where: str) -> dict[str, Any] | None:
        """Return the object in a JSON document, ``None`` if it is not one.

        Args:
            text: JSON document.
            what: beginning of the sentence about a problem.
            where: beginning of the error message.
        """
        try:
            document = parse_json(text, what)
        except AutodasError as error:
            reason = str(error).removeprefix(what)
            self.add(f"{message(str(error))}.", AutodasError(f"{where}{reason}"))
            return None
        if not isinstance(document, dict):
            self.add(f"{what}: an object is expected.", AutodasError(f"{where}: an object is expected"))
            return None
        return document

    def events(self) -> list[Event]:
        """Return the readable events."""
        path = self.folder / EVENTS
        try:
            content = read_bytes(path, _LARGEST[EVENTS])
        except AutodasError as error:
            self._unreadable(EVENTS, error, f"{EVENTS} is missing: the events of the run are unknown.")
            return []
        lines = content.decode("utf-8", errors="replace").split("\n")
        last = lines.pop()
        events = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            data = self._parsed(
                line, f"Line {number} of {EVENTS} is skipped", f"{path}:{number}: not an event"
            )
            if data is not None and (event := self._event(data, number)) is not None:
                events.append(event)
        # A truncated last line means that the run was killed, or that the line is just being written.
        if last.strip() and not self.strict:
            self.sentences.append(f"The last line of {EVENTS} is truncated, and skipped.")
        return events

    def _event(self, data: dict[str, Any], number: int) -> Event | None:
        if not self.strict:
            where = f"Line {number} of {EVENTS}"
            try:
                return read_event(data, number, where, self.sentences)
            except AutodasError as error:
                self.sentences.append(f"{message(str(error))}; the line is skipped.")
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
                        f"Line {number} of {METRICS} is truncated, and skipped.",
                        AutodasError(f"{path}:{number}: truncated"),
                    )
                    continue
                rows.append({name: _number(text) for name, text in row.items()})
        except csv.Error as error:
            self.add(f"{METRICS} is damaged: {error}.", AutodasError(f"{path}: broken: {error}"))
        return rows

    def genotype(self) -> Genotype | None:
        """Return the architecture, ``None`` if it is missing."""
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
    """Return whether a version is newer than this one, by its leading numbers."""
    return _numbers(version) > _numbers(__version__)


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdecimal() and len(part) < 10 else 0 for part in version.split(".")[:3]]
