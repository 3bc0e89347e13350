"""Predictions on standard output, one file after the other."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

from autodas.cli._output import print_facts
from autodas.progress import Progress
from autodas.terminal import is_terminal

Form = Literal["text", "csv", "json"]


class Told(Protocol):
    """What is needed to print the predictions of a task."""

    @property
    def ranked(self) -> bool:
        """Whether there may be several predictions for a file, the best first."""

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """Fields of a prediction."""

    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return the predictions for one file as text."""


class Predictions:
    """Printer of predictions: text and CSV as they are made, JSON at the end, even after Ctrl-C.

    If the predictions themselves do not appear on the terminal, a bar on standard error shows the progress.

    Args:
        task: task of the network.
        form: output format.
        total: number of files, or of predictions if there are several for each file.
        several: whether each prediction is for a part of a file, with its start and end.
        key: name of the predictions for a file in JSON.
    """

    def __init__(
        self, task: Told, form: Form, total: int, *, several: bool = False, key: str = "top"
    ) -> None:
        self.task, self.form, self.count, self.several, self.key = task, form, 0, several, key
        self._rows: list[dict[str, Any]] = []
        self._csv = csv.writer(sys.stdout)
        seen = form != "json" and is_terminal(sys.stdout)
        self._progress = Progress(total, quiet=seen or not is_terminal(sys.stderr), what="predicting")

    def __enter__(self) -> Predictions:
        self._progress.__enter__()
        if self.form == "csv":
            span = ["start", "end"] if self.several else []
            rank = ["rank"] if self.task.ranked else []
            self._csv.writerow(["file", *span, *rank, *self.task.prediction_columns])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__()
        if self.form == "json" and self._rows:
            print_facts(self._rows, as_json=True)

    def add(
        self, path: Path, guesses: Sequence[dict[str, Any]], span: tuple[float, float] | None = None
    ) -> None:
        """Print the guesses for a file, or for a part of it, best first."""
        self.count += 1
        if self.form == "json":
            times = {} if span is None else {"start": span[0], "end": span[1]}
            answer = {self.key: list(guesses)} if self.task.ranked else guesses[0]
            self._rows.append({"file": str(path), **times, **answer})
        elif self.form == "csv":
            columns = [] if span is None else [f"{time:.3f}" for time in span]
            for rank, guess in enumerate(guesses, 1):
                form = ".6f" if self.task.ranked else ".9g"
                values = [format(v, form) if isinstance(v, float) else v for v in guess.values()]
                self._csv.writerow([path, *columns, *([rank] if self.task.ranked else []), *values])
            if not guesses:  # a file without any label has a row, too
                self._csv.writerow([path, *columns, "", *("" for _ in self.task.prediction_columns)])
        else:
            best = self.task.prediction_in_words(guesses)
            where = "" if span is None else f" {span[0]:.2f}-{span[1]:.2f} s"
            print(f"{path}{where}: {best}")
        sys.stdout.flush()

    def passed(self, message: str) -> None:
        """Report a skipped file."""
        if self._progress.quiet:
            print(message, file=sys.stderr)
        else:
            self._progress.line(message)

    def advance(self) -> None:
        """Count a file, or a part of one, as done."""
        self._progress.advance()
