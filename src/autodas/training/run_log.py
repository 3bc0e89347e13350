"""What a run tells while it goes on: events, metrics, TensorBoard."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from PIL import Image

from autodas.terminal import message
from autodas.training.run_folder import RunFolder


class RunLog:
    """Appends to ``events.jsonl`` and ``metrics.csv`` and writes TensorBoard scalars where it is installed.

    Both files are flushed with every line. Their lengths go into checkpoints; a resumed run cuts them
    back, so that the log of a run that was interrupted equals that of one that was not, but for what
    stands under ``volatile``: times, speeds, memory.

    Args:
        folder: the run.
        lengths: what :attr:`lengths` was at the checkpoint that the run goes on from.
        tensorboard: whether to write TensorBoard files.
        step: iteration that the run goes on from.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        lengths: Mapping[str, Any] | None = None,
        tensorboard: bool = True,
        step: int = 0,
    ) -> None:
        self.folder = folder
        lengths = lengths or {"events": 0, "metrics": 0, "columns": []}
        self.columns: list[str] = list(lengths["columns"])
        self._events = _open_cut(folder.path / "events.jsonl", lengths["events"])
        self._metrics = _open_cut(folder.path / "metrics.csv", lengths["metrics"])
        self._board = _tensorboard(folder.path / "tensorboard", step) if tensorboard else None

    @property
    def lengths(self) -> dict[str, Any]:
        """How long the files are, for the checkpoint; up to there they are on the disk."""
        for file in (self._events, self._metrics):
            file.flush()
            os.fsync(file.fileno())
        return {"events": self._events.tell(), "metrics": self._metrics.tell(), "columns": self.columns}

    def event(self, event: str, **fields: Any) -> None:
        """Append one event. What varies from run to run belongs under the key ``volatile``."""
        self._events.write(json.dumps({"event": event, **fields}) + "\n")
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
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, int | float) and math.isfinite(value):
                    self._board.add_scalar(name, value, step)

    @property
    def has_board(self) -> bool:
        """Whether TensorBoard files are written."""
        return self._board is not None

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Show a picture in TensorBoard, where it is written.

        Args:
            name: what it is called there.
            png: the picture.
            step: iteration, counted over the whole run.
        """
        if self._board is not None:
            with Image.open(BytesIO(png)) as image:
                pixels = np.asarray(image.convert("RGB"))
            self._board.add_image(name, pixels, step, dataformats="HWC")

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        """Show how numbers are distributed in TensorBoard, where it is written.

        Args:
            name, step: as for a picture.
            values: the numbers; nothing is shown where there are none.
        """
        if self._board is not None and len(values):
            self._board.add_histogram(name, np.asarray(values), step)

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        self._metrics.close()
        if self._board is not None:
            self._board.close()


def read_events(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the events of a run that this program has just written."""
    text = (folder.path / "events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _cell(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _open_cut(path: Path, length: int) -> TextIO:
    path.touch()
    with open(path, "r+b") as file:
        file.truncate(min(length, path.stat().st_size))
    return open(path, "a", encoding="utf-8")


def _tensorboard(path: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    try:
        str(path).encode()
    except UnicodeEncodeError:
        told = f"note: {path}: no TensorBoard files are written, they need a folder whose name is UTF-8"
        print(message(told), file=sys.stderr)
        return None
    # Everything from the purged step on is hidden; what was logged at the checkpoint's own step stays.
    return SummaryWriter(str(path), purge_step=step + 1 if step else None)
