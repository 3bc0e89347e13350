"""A run folder as it is, finished or not: nothing in it is trusted, and what is wrong with it is said."""

from __future__ import annotations

import csv
import math
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from autodas._version import __version__
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.reading import MEBIBYTE, parse_json, read_bytes, read_text
from autodas.strict_yaml import read_yaml
from autodas.terminal import message

Event = dict[str, Any]

_LARGEST = {"events.jsonl": 512 * MEBIBYTE, "metrics.csv": 128 * MEBIBYTE, "summary.json": 16 * MEBIBYTE}
"""Bytes that are read of a file; of the others one million."""

_COMMON = re.compile(r"search|train|seed\d+")  # folders that `demo` and `compare` make


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
    def start(self) -> Event:
        """The first event of the run; empty where it is missing."""
        return next(iter(self.events_of("start")), {})

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration as data; empty where it cannot be read."""
        try:
            return read_yaml(self.configuration, "config.yaml")
        except AutodasError:
            return {}

    def events_of(self, name: str) -> list[Event]:
        """Return the events of one name, in their order."""
        return [event for event in self.events if event.get("event") == name]


def name_of(folder: str | Path) -> str:
    """Return what a run is called: its folder, with those above where that alone says little."""
    path = Path(folder).resolve()
    name = path.name
    while _COMMON.fullmatch(path.name) and path.parent != path:
        path = path.parent
        name = f"{path.name}/{name}"
    return name


def read_run(folder: str | Path) -> Run:
    """Read a run folder, whatever state it is in.

    Args:
        folder: the folder.

    Raises:
        AutodasError: if there is no such folder.
    """
    path = Path(folder)
    if not os.path.isdir(path):
        raise AutodasError(f"{path}: there is no such folder; give the folder of a run")
    problems: list[str] = []
    configuration = _text(path / "config.yaml", problems)
    environment = _object(path / "environment.json", problems)
    events = _events(path / "events.jsonl", problems)
    metrics = _metrics(path / "metrics.csv", problems)
    summary = _object(path / "summary.json", problems, "The run has not finished")
    genotype = _genotype(path / "genotype.json", problems)
    start = next((event for event in events if event.get("event") == "start"), {})
    command = next(
        (c for c in (start.get("command"), summary.get("command")) if c in ("search", "train")), ""
    )
    version = environment.get("autodas")
    if isinstance(version, str) and _newer(version):
        problems.insert(
            0,
            f"The run was made by autodas {version}, this page by {__version__}: "
            "what the newer version added is not shown.",
        )
    if not any((configuration, environment, events, summary)):
        problems = ["The folder holds no run: none of the files of a run is in it."]
    return Run(
        folder=path,
        command=command,
        configuration=configuration,
        environment=environment,
        events=tuple(events),
        metrics=tuple(metrics),
        genotype=genotype,
        summary=summary,
        problems=tuple(problems),
    )


def _text(path: Path, problems: list[str], absent: str | None = None) -> str:
    """Return the text of a file; an empty one, and a problem, where it cannot be read."""
    try:
        return read_text(path, _LARGEST.get(path.name, MEBIBYTE))
    except AutodasError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            problems.append(f"{absent}: {path.name} is not there." if absent else f"{path.name} is missing.")
        else:
            problems.append(f"{_without_folder(error, path)}.")
    return ""


def _without_folder(error: AutodasError, path: Path) -> str:
    """Return an error without the folder that the page is about."""
    return str(error).replace(str(path), path.name)


def _object(path: Path, problems: list[str], absent: str | None = None) -> dict[str, Any]:
    text = _text(path, problems, absent)
    if not text:
        return {}
    return _parsed(text, f"{path.name} is damaged", problems) or {}


def _parsed(text: str, what: str, problems: list[str]) -> dict[str, Any] | None:
    try:
        found = parse_json(text, what)
    except AutodasError as error:
        problems.append(f"{message(str(error))}.")
        return None
    if not isinstance(found, dict):
        problems.append(f"{what}: an object is expected.")
        return None
    return found


def _events(path: Path, problems: list[str]) -> list[Event]:
    """Return the events that can be read: the last line may be cut, or be written at this moment."""
    try:
        content = read_bytes(path, _LARGEST[path.name])
    except AutodasError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        problems.append(
            f"{path.name} is missing: nothing is known of what happened."
            if missing
            else f"{_without_folder(error, path)}."
        )
        return []
    lines = content.decode("utf-8", errors="replace").split("\n")
    last = lines.pop()
    events = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            event = _parsed(line, f"Line {number} of {path.name} is left out", problems)
            if event is not None:
                events.append(event)
    if last.strip():
        problems.append(f"The last line of {path.name} is cut, and left out.")
    return events


def _metrics(path: Path, problems: list[str]) -> list[dict[str, float | None]]:
    rows: list[dict[str, float | None]] = []
    try:
        for number, row in enumerate(csv.DictReader(_text(path, problems).splitlines()), start=2):
            if None in row or None in row.values():
                problems.append(f"Line {number} of {path.name} is cut, and left out.")
                continue
            rows.append({name: _number(text) for name, text in row.items()})
    except csv.Error as error:
        problems.append(f"{path.name} is damaged: {error}.")
    return rows


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _genotype(path: Path, problems: list[str]) -> Genotype | None:
    if not os.path.exists(path):
        return None
    try:
        return Genotype.load(path)
    except AutodasError as error:
        problems.append(f"{path.name} cannot be used: {message(str(error))}.")
        return None


def _newer(version: str) -> bool:
    """Return whether a version comes after this one, by the numbers it begins with."""
    return _numbers(version) > _numbers(__version__)


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdecimal() and len(part) < 10 else 0 for part in version.split(".")[:3]]
