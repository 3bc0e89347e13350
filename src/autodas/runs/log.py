"""What a run tells while it goes on: events and metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from autodas.runs.events import Event
from autodas.runs.folder import EVENTS, METRICS, RunFolder


class Board(Protocol):
    """Another place that shows a run while it goes on, such as TensorBoard.

    Steps are iterations, counted over the whole run.
    """

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Show numbers by name; ``None`` and what is not finite is not shown."""
        ...

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Show a picture."""
        ...

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        """Show how numbers are distributed; nothing where there are none."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class RunLog:
    """Appends to ``events.jsonl`` and ``metrics.csv``.

    Both files are flushed with every line. Their lengths go into checkpoints; a resumed run cuts them
    back, so that the log of a run that was interrupted equals that of one that was not, but for what
    stands under ``volatile``: times, speeds, memory.

    Args:
        folder: the run.
        lengths: what :attr:`lengths` was at the checkpoint that the run goes on from.
        board: what shows metrics, too; ``None`` for nothing. It is closed with the log.
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
        """How long the files are, for the checkpoint; up to there they are on the disk."""
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
            values: name to number, or to ``None`` where there is none this time.
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


def _cell(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _open_cut(path: Path, length: int) -> TextIO:
    path.touch()
    with open(path, "r+b") as file:
        file.truncate(min(length, path.stat().st_size))
    return open(path, "a", encoding="utf-8")
