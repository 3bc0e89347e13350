"""Look-up of architectures in a table: their accuracy is known without training them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from autodas.benchmark_string import SPACE, benchmark_string, read_benchmark_string
from autodas.csv_reading import read_csv
from autodas.errors import AutodasError, GenotypeError
from autodas.genotype import Genotype
from autodas.reading import MEBIBYTE

_LARGEST = 64 * MEBIBYTE
_ARCHITECTURE = "architecture"
_ACCURACY = "_test"
"""Ending of the columns with accuracies; what is before it names the data set."""

METRIC = "table_"
"""Beginning of the metrics of a search with what it would derive; the name of a data set follows."""


@dataclass(frozen=True)
class Place:
    """Place of an architecture in a table.

    Attributes:
        table: name of the table.
        accuracies: its accuracy on each data set, in percent.
        data: the data set by which it is judged.
        worse: share of all architectures with a lower accuracy there, in [0, 1].
        regret: percentage points that the best one is better.
    """

    table: str
    accuracies: Mapping[str, float]
    data: str
    worse: float
    regret: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def told(self) -> list[str]:
        """Return lines of text."""
        others = [
            f"{name} {accuracy:.2f} %" for name, accuracy in self.accuracies.items() if name != self.data
        ]
        return [
            f"in the table {self.table}: {self.accuracies[self.data]:.2f} % on {self.data}, better than "
            f"{100 * self.worse:.1f} % of all architectures, {self.regret:.2f} points below the best"
            + (f"; {', '.join(others)}" if others else "")
        ]


@dataclass(frozen=True)
class Table:
    """Test accuracies of architectures.

    Args:
        name: name of the table, for messages.
        data: names of the data sets, in the order of the accuracies.
        accuracies: for each architecture, in the notation of NAS-Bench-201, its accuracy on each data set in
            percent.
    """

    name: str
    data: tuple[str, ...]
    accuracies: Mapping[str, tuple[float, ...]]
    _sorted: dict[str, list[float]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = zip(*self.accuracies.values(), strict=True)
        object.__setattr__(self, "_sorted", dict(zip(self.data, map(sorted, columns), strict=True)))

    def check(self, cell: str | None) -> None:
        """Check that the table describes the architectures of a cell space.

        Raises:
            AutodasError: if it describes another one.
        """
        if cell != SPACE:
            raise AutodasError(f"table {self.name}: describes space {SPACE}, but the search is in {cell}")

    def note(self, data: str) -> str | None:
        """Return a remark if the data set of a search, such as ``cifar10:PATH``, is not in the table."""
        name = data.partition(":")[0]
        if name in self.data:
            return None
        return (
            f"table {self.name} does not describe {name}: its accuracies are those of the same cells on "
            f"{', '.join(self.data)}"
        )

    def column(self, data: str) -> str:
        """Return the data set by which a search on some data is judged: the same one, else the first."""
        name = data.partition(":")[0]
        return name if name in self.data else self.data[0]

    def text(self, genotype: Genotype) -> str | None:
        """Return an architecture in the notation of the table; ``None`` if it is of another space."""
        return benchmark_string(genotype)

    def look_up(self, genotype: Genotype) -> dict[str, float]:
        """Return the accuracy of an architecture on each data set, in percent.

        Raises:
            AutodasError: if the table lacks the architecture.
        """
        text = self.text(genotype)
        if text is None:
            raise AutodasError(f"table {self.name}: {genotype.space} is not its space, {SPACE}")
        if text not in self.accuracies:
            raise AutodasError(f"table {self.name}: lacks the architecture {text}")
        return dict(zip(self.data, self.accuracies[text], strict=True))

    def share_worse(self, data: str, accuracy: float) -> float:
        """Return the share of architectures with a lower accuracy, in [0, 1]."""
        return bisect_left(self._sorted[data], accuracy) / len(self.accuracies)

    def rank(self, data: str, accuracy: float) -> float:
        """Return the share of architectures with a lower accuracy and half of those with the same."""
        ordered = self._sorted[data]
        return (bisect_left(ordered, accuracy) + bisect_right(ordered, accuracy)) / (2 * len(ordered))

    def place(self, genotype: Genotype, data: str) -> Place | None:
        """Return the place of a search's result among all architectures; ``None`` if the table lacks it.

        Args:
            genotype: the result.
            data: name of the data set of the search.
        """
        try:
            accuracies = self.look_up(genotype)
        except AutodasError:
            return None
        column = self.column(data)
        accuracy = accuracies[column]
        return Place(
            self.name, accuracies, column, self.share_worse(column, accuracy), self.best(column) - accuracy
        )

    def best(self, data: str) -> float:
        """Return the highest accuracy on a data set."""
        return self._sorted[data][-1]

    def mean(self, data: str) -> float:
        """Return the mean accuracy: the expectation of an architecture drawn uniformly."""
        return fmean(self._sorted[data])

    def ranked(self, data: str) -> Sequence[float]:
        """Return all accuracies on a data set, in ascending order."""
        return self._sorted[data]


def open_table(name: str) -> Table:
    """Read a table.

    Args:
        name: ``nasbench201:FILE``. The file is a CSV with a column ``architecture``, in the notation of
            NAS-Bench-201, and one column ``DATA_test`` for each data set, in percent; others are ignored.

    Raises:
        AutodasError: if the name, the file or one of its lines is invalid.
    """
    kind, colon, file = name.partition(":")
    if kind != SPACE or not colon or not file:
        raise AutodasError(f"table '{name}': expected {SPACE}:FILE")
    path = Path(file)
    head, rows = read_csv(path, _LARGEST)
    data = [title for title in head if title.endswith(_ACCURACY) and title != _ACCURACY]
    if _ARCHITECTURE not in head or not data:
        raise AutodasError(
            f"{path}: a table has a column '{_ARCHITECTURE}', and one such as 'cifar10{_ACCURACY}'"
        )
    accuracies: dict[str, tuple[float, ...]] = {}
    for where, row in rows:
        try:
            text = benchmark_string(read_benchmark_string(row[_ARCHITECTURE]))
        except GenotypeError as error:
            raise AutodasError(f"{where}: {error}") from None
        assert text is not None
        if text in accuracies:
            raise AutodasError(f"{where}: the architecture {text} appears twice")
        accuracies[text] = tuple(_percent(row[title], f"{where}, {title}") for title in data)
    if not accuracies:
        raise AutodasError(f"{path}: no architectures")
    return Table(str(path), tuple(title.removesuffix(_ACCURACY) for title in data), accuracies)


def _percent(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise AutodasError(f"{where}: expected an accuracy in percent, found '{text}'")
    return value
