"""Comparison of search methods by a table of accuracies. Reads run folders, without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.runs.comparison import Entry, spread_of
from autodas.runs.events import Epoch
from autodas.runs.folder import GENOTYPE
from autodas.runs.reading import read_run
from autodas.runs.significance import LEVEL, Differences, chance_of_draws
from autodas.tables import METRIC, Table

_COLUMNS = (
    ("seconds", ".0f"),
    ("cpu_seconds", ".0f"),
    ("relaxed", ".1f"),
    ("skips", ".1f"),
)

RANDOM = "a random cell"
"""Name of the row with the expectation of an architecture chosen uniformly."""


@dataclass(frozen=True)
class FoundRun:
    """Result of one search, looked up in a table.

    Attributes:
        method, seed: method and seed of the search.
        architecture: the architecture that it found, in the notation of the table.
        accuracies: its accuracy on each data set of the table, in percent.
        worse: share of all architectures with a lower accuracy on the data set by which it is judged.
        regret: percentage points that the best architecture is better there.
        seconds, cpu_seconds: time of the search iterations, and CPU time over all threads.
        relaxed, discrete: accuracies on the validation half with the weights of the search, in percent.
        skips: number of skip connections in the cell.
        trajectory: accuracy, on the data set by which it is judged, of the architecture that the search would
            have derived after each epoch; ``None`` before there was one.
    """

    method: str
    seed: int
    architecture: str
    accuracies: dict[str, float]
    worse: float
    regret: float
    seconds: float | None
    cpu_seconds: float | None
    relaxed: float | None
    discrete: float | None
    skips: int | None
    trajectory: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class TableComparison:
    """Comparison of methods by what a table says about the architectures that they found.

    Args:
        runs: searches of all methods and seeds.
        table_of: the table.
        data: the data set of the table by which they are judged.
    """

    runs: tuple[FoundRun, ...]
    table_of: Table
    data: str

    @cached_property
    def groups(self) -> dict[str, list[FoundRun]]:
        """The runs of each method."""
        groups: dict[str, list[FoundRun]] = {}
        for run in self.runs:
            groups.setdefault(run.method, []).append(run)
        return groups

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each method, and one for a random cell, whose numbers are exact."""
        rows = []
        for method, runs in self.groups.items():
            own: dict[str, Any] = {"method": method, "seeds": len(runs)}
            for data in self.table_of.data:
                own[data] = spread_of([run.accuracies[data] for run in runs])._asdict()
            own["least"] = min(run.accuracies[self.data] for run in runs)
            for name in ("worse", "regret", "seconds", "cpu_seconds", "relaxed", "discrete", "skips"):
                own[name] = spread_of([v for run in runs if (v := getattr(run, name)) is not None]).mean
            rows.append(own)
        everything = self.table_of.ranked(self.data)
        chance: dict[str, Any] = {"method": RANDOM, "seeds": 0}
        for data in self.table_of.data:
            chance[data] = spread_of(self.table_of.ranked(data))._asdict()
        chance["least"] = everything[0]
        chance["worse"] = fmean(self.table_of.share_worse(self.data, a) for a in everything)
        chance["regret"] = self.table_of.best(self.data) - self.table_of.mean(self.data)
        return [*rows, chance]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "table": self.table_of.name,
            "data": self.data,
            "rows": self.rows,
            "runs": [asdict(run) for run in self.runs],
            "verdict": self.verdict(),
        }

    def columns(self) -> tuple[list[str], list[list[str]]]:
        """Return the names of the columns, and the rows as texts."""
        head = ["method", "seeds", *(f"{data}, %" for data in self.table_of.data), "least, %", "better than"]
        head += ["regret", "search, s", "search, CPU s", "relaxed, %", "skips"]
        lines = []
        for row in self.rows:
            cells = [row["method"], str(row["seeds"] or "")]
            for data in self.table_of.data:
                mean, deviation = row[data]["mean"], row[data]["deviation"]
                cells.append(f"{mean:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}"))
            cells += [f"{row['least']:.2f}", f"{100 * row['worse']:.1f} %", f"{row['regret']:.2f}"]
            for name, form in _COLUMNS:
                value = row.get(name)
                cells.append("" if value is None else format(value, form))
            lines.append(cells)
        return head, lines

    def table(self) -> str:
        """Return the comparison in Markdown."""
        head, rows = self.columns()
        lines = [f"|{' --- |' * len(head)}", *(f"| {' | '.join(cells)} |" for cells in rows)]
        return "\n".join([f"| {' | '.join(head)} |", *lines])

    def verdict(self) -> str:
        """Return what the accuracies say about differences between methods, and from a random cell."""
        best = self.table_of.best(self.data)
        said = [
            f"Accuracies are those of the table {self.table_of.name}. Methods are judged by {self.data}; the "
            f"best architecture has {best:.2f} % there. ± is the standard deviation over seeds."
        ]
        errors = {
            method: {run.seed: 100 - run.accuracies[self.data] for run in runs}
            for method, runs in self.groups.items()
        }
        if max(map(len, errors.values())) < 2:
            return " ".join(
                [*said, "With one seed nothing can be said about differences: use `--seeds 2` or more."]
            )
        ranks = {
            method: [self.table_of.rank(self.data, run.accuracies[self.data]) for run in runs]
            for method, runs in self.groups.items()
        }
        # Bonferroni's correction for the number of methods.
        different = [name for name, own in ranks.items() if chance_of_draws(own) * len(ranks) < LEVEL]
        for word, above in (("better", True), ("worse", False)):
            names = [name for name in different if (fmean(ranks[name]) > 0.5) is above]
            said.append(f"Significantly {word} than a random cell: {', '.join(names) or 'none'}.")
        if len(errors) > 1:
            found = Differences(errors, None)
            said.append(f"Significantly worse than {found.best}: {', '.join(found.worse) or 'none'}.")
        return " ".join(said)


def read_found_run(method: str, seed: int, search: str | Path, table: Table, data: str) -> FoundRun:
    """Look up the result of a finished search.

    Args:
        method, seed: method and seed of the search.
        search: its run folder.
        table: the table.
        data: the data set of the table by which it is judged.

    Raises:
        AutodasError: if the search is unfinished or broken, or the table lacks what it found.
    """
    run = read_run(search, strict=True)
    if run.genotype is None:
        raise AutodasError(f"{run.folder / GENOTYPE}: missing")
    genotype: Genotype = run.genotype
    try:
        accuracies = table.look_up(genotype)
    except AutodasError as error:
        raise AutodasError(f"{run.folder}: {error}") from None
    entry = Entry(method, run, None)
    return FoundRun(
        method=method,
        seed=seed,
        architecture=str(table.text(genotype)),
        accuracies=accuracies,
        worse=table.share_worse(data, accuracies[data]),
        regret=table.best(data) - accuracies[data],
        seconds=entry.seconds,
        cpu_seconds=entry.cpu_seconds,
        relaxed=entry.relaxed,
        discrete=entry.discrete,
        skips=entry.skips,
        trajectory=tuple(event.metrics.get(f"{METRIC}{data}") for event in run.events_of(Epoch)),
    )
