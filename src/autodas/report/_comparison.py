"""Comparison of search methods as a table. Reads run folders, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from autodas.errors import AutodasError
from autodas.reading import TEXT, Fields, Number, Optional, Whole, known
from autodas.runs.comparison import Entry, spread_of
from autodas.runs.events import Epoch, Start
from autodas.runs.folder import EVENTS, GENOTYPE, SUMMARY
from autodas.runs.reading import Run, read_run
from autodas.runs.scores import Score, score_of
from autodas.runs.significance import Differences, pooled_deviation, standard_error
from autodas.spaces import get_space

_PERCENT = Number(high=100)  # R² may be negative
_SEARCHED = Fields(
    {"accuracies": Fields({"relaxed": _PERCENT, "discrete": _PERCENT})}, {"margin": Optional(Number())}
)
_TRAINED = Fields({"test": Fields({"count": Whole(1)}), "parameters": Whole(), "multiply_adds": Whole()})
_START = Fields({"space": Fields({"name": TEXT})})
_SPENT = Fields({"seconds": Number(), "cpu_seconds": Number()})
_NUMBERS = (
    *("space", "count", "parameters", "multiply_adds", "seconds", "cpu_seconds"),
    *("relaxed", "discrete", "skips", "margin"),
)


@dataclass(frozen=True)
class MethodRun:
    """Result of one method with one seed: a search, and the training of its genotype.

    Attributes:
        method: name of the method.
        space: name of the search space.
        seed: seed of both runs.
        error: 100 less the score of the trained network on the test samples, in percent: its top-1 error.
        count: number of test samples.
        parameters: parameters of the trained network, without auxiliary head.
        multiply_adds: multiply-adds of the trained network for one sample.
        seconds: time of the search iterations in seconds.
        cpu_seconds: CPU time of the search iterations in seconds, over all threads.
        relaxed: score of the relaxed network on the validation half, in percent.
        discrete: score of the derived network with the weights of the search, in percent.
        skips: number of skip connections in the normal cells.
        margin: mean priority of the decisions; ``None`` without decisions.
        task: name of the task; ``None`` in earlier runs, of classification.
    """

    method: str
    space: str
    seed: int
    error: float
    count: int
    parameters: int
    multiply_adds: int
    seconds: float
    cpu_seconds: float
    relaxed: float
    discrete: float
    skips: int
    margin: float | None
    task: str | None = None


@dataclass(frozen=True)
class MethodRow:
    """Result of one method over all its seeds.

    Attributes:
        method, space: as in the runs.
        seeds: number of seeds.
        error: mean error in percent, ``deviation`` its standard deviation over seeds (0 for one seed).
        standard_error: standard error of the mean error in percentage points, with the standard deviation
            over seeds common to all methods; ``None`` if no method has two seeds. Whether two methods
            differ is decided by :class:`~autodas.runs.significance.Differences`, which pairs their seeds.
        parameters, multiply_adds, seconds, cpu_seconds, relaxed, discrete, skips: means over the seeds.
    """

    method: str
    space: str
    seeds: int
    error: float
    deviation: float
    standard_error: float | None
    parameters: float
    multiply_adds: float
    seconds: float
    cpu_seconds: float
    relaxed: float
    discrete: float
    skips: float


@dataclass(frozen=True)
class Comparison:
    """Comparison of methods.

    Args:
        runs: runs of all methods and seeds.
    """

    runs: tuple[MethodRun, ...]
    rows: tuple[MethodRow, ...] = field(init=False)

    def __post_init__(self) -> None:
        groups: dict[tuple[str, str], list[MethodRun]] = {}
        for run in self.runs:
            groups.setdefault((run.method, run.space), []).append(run)
        deviation = pooled_deviation([[run.error for run in group] for group in groups.values()])
        object.__setattr__(self, "rows", tuple(_row(group, deviation) for group in groups.values()))

    @property
    def score(self) -> Score:
        """Score by which the methods are compared."""
        return score_of(self.runs[0].task)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "runs": [asdict(run) for run in self.runs],
            "verdict": self.verdict(),
        }

    def table(self) -> str:
        """Return the table in Markdown: the columns of table 4 of the SDAS paper, and further ones.

        For other tasks than classification it has the score in place of the error.
        """
        errors = self.score.proportion
        head = (
            "method",
            "space",
            "test error, %" if errors else f"test {self.score.words}, %",
            "parameters, M",
            "multiply-adds, M",
            "search, s",
            "search, CPU s",
            "relaxed, %",
            "discrete, %",
            "skips",
        )
        lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
        for row in self.rows:
            spread = f" ± {row.deviation:.2f}" if row.seeds > 1 else ""
            cells = (
                row.method,
                row.space,
                f"{row.error if errors else 100 - row.error:.2f}{spread}",
                f"{row.parameters / 1e6:.3f}",
                f"{row.multiply_adds / 1e6:.2f}",
                f"{row.seconds:.0f}",
                f"{row.cpu_seconds:.0f}",
                f"{row.relaxed:.1f}",
                f"{row.discrete:.1f}",
                f"{row.skips:.1f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def verdict(self) -> str:
        """Return what the errors say: see :class:`~autodas.runs.significance.Differences`."""
        errors: dict[str, dict[int, float]] = {}
        for run in self.runs:
            errors.setdefault(_label(run, self.rows), {})[run.seed] = run.error
        count = min(run.count for run in self.runs) if self.score.proportion else None
        found = Differences(errors, count)
        if len(errors) < 2:
            return "There is one method only: nothing is compared."
        if found.degrees < 1:
            return (
                "Without two seeds that several methods have, it is unknown which differences are due to "
                "chance, so no method is called better or worse. Add seeds: `--seeds 2` or more."
            )
        largest = max(row.seeds for row in self.rows)
        least = found.quantile * min(found.standard_error(found.best, m) for m in errors if m != found.best)
        said = (
            f"Significantly worse than {found.best}: {', '.join(found.worse)}."
            if found.worse
            else f"No method is significantly worse than {found.best}, which has the "
            f"{'lowest mean error' if self.score.proportion else 'highest mean score'}."
        )
        return (
            f"± is the standard deviation over {largest} seeds. {said} "
            f"(A difference has to exceed {least:.2f} points: seeds paired, variance common to all methods, "
            f"95 % for all pairs of methods together.)"
        )


def _label(run: MethodRun, rows: Sequence[MethodRow]) -> str:
    """Return the name of a run's row: with its space if the method has several."""
    several = sum(row.method == run.method for row in rows) > 1
    return f"{run.method} in {run.space}" if several else run.method


def read_method_run(method: str, seed: int, search: str | Path, train: str | Path) -> MethodRun:
    """Read the finished runs of one method with one seed.

    Args:
        method: name of the method.
        seed: seed of both runs.
        search: run folder of the search.
        train: run folder of the training.

    Raises:
        AutodasError: if one of the runs is unfinished or broken.
    """
    searched, trained = read_run(search, strict=True), read_run(train, strict=True)
    _check(searched, trained)
    entry = Entry(method, searched, trained)
    _PERCENT.check(entry.score, f"{trained.folder / SUMMARY}: broken: test: {score_of(entry.task).metric}")
    assert entry.score is not None
    numbers: dict[str, Any] = {name: getattr(entry, name) for name in _NUMBERS}
    return MethodRun(method=method, seed=seed, error=100 - entry.score, task=entry.task, **numbers)


def _check(search: Run, training: Run) -> None:
    """Raise AutodasError if a compared value is missing."""
    _SEARCHED.check(search.summary, f"{search.folder / SUMMARY}: broken")
    _TRAINED.check(training.summary, f"{training.folder / SUMMARY}: broken")
    log = f"{search.folder / EVENTS}: broken"
    if not search.events_of(Start):
        raise AutodasError(f"{log}: the start of the search is missing")
    _START.check(search.start.to_dict(), log)
    for event in search.events_of(Epoch):
        _SPENT.check(event.volatile, log)
    get_space(known(search.start.space, ["name"]))  # determines which kinds of cells reduce
    if search.genotype is None:
        raise AutodasError(f"{search.folder / GENOTYPE}: missing")


def _row(runs: Sequence[MethodRun], deviation: float | None) -> MethodRow:
    errors = [run.error for run in runs]
    count = runs[0].count if score_of(runs[0].task).proportion else None
    return MethodRow(
        method=runs[0].method,
        space=runs[0].space,
        seeds=len(runs),
        error=fmean(errors),
        deviation=spread_of(errors).deviation or 0.0,
        standard_error=None if deviation is None else standard_error(errors, count, deviation),
        parameters=fmean(run.parameters for run in runs),
        multiply_adds=fmean(run.multiply_adds for run in runs),
        seconds=fmean(run.seconds for run in runs),
        cpu_seconds=fmean(run.cpu_seconds for run in runs),
        relaxed=fmean(run.relaxed for run in runs),
        discrete=fmean(run.discrete for run in runs),
        skips=fmean(run.skips for run in runs),
    )
