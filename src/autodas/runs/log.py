"""Log of a run in progress: events and metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from autodas.runs.events import Event
from autodas.runs.folder import EVENTS, METRICS, RunFolder


class Board(Protocol):
    """Additional display of a run in progress, such as TensorBoard.

    Steps are iterations, counted over the whole run.
    """

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Show numbers by name; ``None`` and numbers that are not finite are skipped."""
        ...

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Show a figure."""
        ...

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        """Show the distribution of numbers, if there are any."""
        ...

    def close(self) -> None:
        """Write the remaining data."""
        ...


class RunLog:
    """Writer of ``events.jsonl`` and ``metrics.csv``.

    Both files are flushed with every line. Checkpoints contain their lengths, and a resumed run truncates
    them, so that the log of an interrupted run equals that of an uninterrupted one except for ``volatile``
    values: times, speeds, memory.

    Args:
        folder: run folder.
        lengths: :attr:`lengths` at the checkpoint from which the run is resumed.
        board: additional display of metrics, or ``None``. It is closed with the log.
    """

    def __init__(
        self, folder: RunFolder, *, lengths: Mapping[str, Any] | None = None, board: Board | None = None
    ) -> None:
        self.folder, self.board = folder, board
        lengths = lengths or {"events": 0, "metrics": 0, "columns": []}
        self.columns: list[str] = list(lengths["columns"])
        self._events = _open_cut(folder.path / EVENTS, lengths["events"])
        self._metrics = _open_cut(folder.path / METRICS, lengths["metrics"])

    @property
    def lengths(self) -> dict[str, Any]:
        """Lengths of the files for the checkpoint, after writing them to disk."""
        for file in (self._events, self._metrics):
            file.flush()
            os.fsync(file.fileno())
        return {"events": self._events.tell(), "metrics": self._metrics.tell(), "columns": self.columns}

    def event(self, event: Event) -> None:
        """Append one event."""
        self._events.write(json.dumps(event.to_dict()) + "\n")
        self._events.flush()

    def metrics(self, step: int, values: Mapping[str, float | None]) -> None:
        """Append one row of metrics; the columns are those of the first row.

        Args:
            step: iteration, counted over the whole run.
            values: name to number, or to ``None`` if it is missing in this row.
        """
        row = {"step": step, **values}
        if not self.columns:
            self.columns = list(row)
            self._metrics.write(",".join(self.columns) + "\n")
        self._metrics.write(",".join(_cell(row.get(column)) for column in self.columns) + "\n")
        self._metrics.flush()
        if self.board is not None:
            self.board.scalars(values, step)

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        self._metrics.close()
        if self.board is not None:
            self.board.close()


class NoLog(RunLog):
    """Log of a process that does not write: everything passed to it is dropped."""

    def __init__(self) -> None:
        self.board, self.columns = None, []

    @property
    def lengths(self) -> dict[str, Any]:
        """Lengths of files without content."""
        return {"events": 0, "metrics": 0, "columns": []}

    def event(self, event: Event) -> None:
        """Do nothing."""

    def metrics(self, step: int, values: Mapping[str, float | None]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _cell(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _open_cut(path: Path, length: int) -> TextIO:
    path.touch()
    with open(path, "r+b") as file:
        file.truncate(min(length, path.stat().st_size))
    return open(path, "a", encoding="utf-8")
