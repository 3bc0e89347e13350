"""Predictions on standard output, one file after the other."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from autodas.cli._output import print_facts
from autodas.progress import Progress
from autodas.terminal import is_terminal

if TYPE_CHECKING:
    from autodas.loop.tasks import Task

Form = Literal["text", "csv", "json"]


class Predictions:
    """Prints predictions as they come; a JSON document at the end, also where the end is Ctrl-C.

    Where they do not go to the terminal themselves, a bar on standard error shows how far it is.

    Args:
        task: what the network was trained for.
        form: how they are printed.
        total: number of files, or of predictions where there are several of a file.
        several: whether each is of a part of a file, from one second to another.
    """

    def __init__(self, task: Task[Any], form: Form, total: int, *, several: bool = False) -> None:
        self.task, self.form, self.count, self.several = task, form, 0, several
        self._rows: list[dict[str, Any]] = []
        self._csv = csv.writer(sys.stdout)
        seen = form != "json" and is_terminal(sys.stdout)
        self._progress = Progress(total, quiet=seen or not is_terminal(sys.stderr), what="predicting")

    def __enter__(self) -> Predictions:
        self._progress.__enter__()
        if self.form == "csv":
            span = ["start", "end"] if self.several else []
            self._csv.writerow(["file", *span, "rank", *self.task.prediction_columns])
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
        """Print what the network says of a file, or of a part of it: its guesses, the best one first."""
        self.count += 1
        if self.form == "json":
            times = {} if span is None else {"start": span[0], "end": span[1]}
            self._rows.append({"file": str(path), **times, "top": list(guesses)})
        elif self.form == "csv":
            columns = [] if span is None else [f"{time:.3f}" for time in span]
            for rank, guess in enumerate(guesses, 1):
                values = [f"{v:.6f}" if isinstance(v, float) else v for v in guess.values()]
                self._csv.writerow([path, *columns, rank, *values])
        else:
            best = self.task.prediction_in_words(guesses)
            where = "" if span is None else f" {span[0]:.2f}-{span[1]:.2f} s"
            print(f"{path}{where}: {best}")
        sys.stdout.flush()

    def passed(self, message: str) -> None:
        """Say that a file is left out."""
        if self._progress.quiet:
            print(message, file=sys.stderr)
        else:
            self._progress.line(message)

    def advance(self) -> None:
        """Take note that a file, or a part of one, is done."""
        self._progress.advance()
