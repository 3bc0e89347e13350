"""Predictions on standard output, one file after the other."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from autodas.cli._output import print_facts
from autodas.progress import Progress

Form = Literal["text", "csv", "json"]


class Predictions:
    """Prints predictions as they come; a JSON document at the end, also where the end is Ctrl-C.

    Where they do not go to the terminal themselves, a bar on standard error shows how far it is.

    Args:
        form: how they are printed.
        total: number of files.
    """

    def __init__(self, form: Form, total: int) -> None:
        self.form, self.count = form, 0
        self._rows: list[dict[str, Any]] = []
        self._csv = csv.writer(sys.stdout)
        seen = form != "json" and sys.stdout.isatty()
        self._progress = Progress(total, quiet=seen or not sys.stderr.isatty(), what="files")

    def __enter__(self) -> Predictions:
        self._progress.__enter__()
        if self.form == "csv":
            self._csv.writerow(["file", "rank", "class", "probability"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__()
        if self.form == "json" and self._rows:
            print_facts(self._rows, as_json=True)

    def add(self, path: Path, top: list[tuple[str, float]]) -> None:
        """Print the most likely classes of a file, with their probabilities."""
        self.count += 1
        if self.form == "json":
            found = [{"class": name, "probability": probability} for name, probability in top]
            self._rows.append({"file": str(path), "top": found})
        elif self.form == "csv":
            for rank, (name, probability) in enumerate(top, 1):
                self._csv.writerow([path, rank, name, f"{probability:.6f}"])
        else:
            best = ", ".join(f"{name} {100 * probability:.1f} %" for name, probability in top)
            print(f"{path}: {best}")
        sys.stdout.flush()

    def passed(self, message: str) -> None:
        """Say that a file is left out."""
        if self._progress.quiet:
            print(message, file=sys.stderr)
        else:
            self._progress.line(message)

    def advance(self) -> None:
        """Take note that a file is done."""
        self._progress.advance()
