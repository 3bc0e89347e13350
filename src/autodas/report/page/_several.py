"""Several runs beside each other: a table by method, and accuracy against cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from autodas.accuracy import standard_error
from autodas.report.page._charts import Dot, scatter_chart
from autodas.report.page._html import csv_link, escape, paragraph, section, table
from autodas.report.page._run import Run
from autodas.report.page._search import grid
from autodas.report.page._settings import differences, setting_of


@dataclass(frozen=True)
class _Entry:
    """What one training, or one search that nobody trained the result of, adds to the comparison."""

    method: str
    data: str
    run: Run
    search: Run | None
    training: Run | None

    @cached_property
    def setting(self) -> dict[str, str]:
        """How it was made."""
        return setting_of(self.search, self.training)

    def of(self, part: str, *keys: str) -> Any:
        """Return a number of a summary; ``None`` where it is not there."""
        run = self.search if part == "search" else self.training
        value: Any = run.summary if run is not None else {}
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, int | float) else None


_COLUMNS: tuple[tuple[str, Callable[[_Entry], Any]], ...] = (
    ("test accuracy, %", lambda e: e.of("training", "test", "top1")),
    ("parameters, M", lambda e: _millions(e, "parameters")),
    ("multiply-adds, M", lambda e: _millions(e, "multiply_adds")),
    ("relaxed, %", lambda e: e.of("search", "accuracies", "relaxed")),
    ("discrete, %", lambda e: e.of("search", "accuracies", "discrete")),
    ("margin", lambda e: e.of("search", "margin")),
    ("search, s", lambda e: _seconds(e.search)),
)


def several(runs: Sequence[Run]) -> str:
    """Return the comparison of runs: by method and data set, mean and standard deviation.

    Args:
        runs: searches and trainings. The training of what a search found stands with that search.
    """
    entries = _entries(runs)
    differ = differences([(entry.method, entry.setting) for entry in entries])
    groups: dict[tuple[str, ...], list[_Entry]] = {}
    for entry in entries:
        own = [entry.setting.get(key, "") for key in differ]
        groups.setdefault((entry.method, entry.data, *own), []).append(entry)
    what = ["method", "data", *differ, "runs"]
    rows: list[list[Any]] = []
    numbers: list[list[Any]] = []
    for made, group in groups.items():
        found = [[v for v in map(take, group) if v is not None] for _, take in _COLUMNS]
        rows.append([*made, len(group), *map(_spread, found)])
        numbers.append([*made, len(group)])
        for values in found:
            numbers[-1] += [fmean(values) if values else None, stdev(values) if len(values) > 1 else None]
    head = [*what, *(name for name, _ in _COLUMNS)]
    wide = [*what, *(n for name, _ in _COLUMNS for n in (name, f"{name}: deviation"))]
    charts = [
        scatter_chart(
            f"accuracy-{identifier}", f"Accuracy against {label}", f"{label}, M", "test accuracy, %", dots
        )
        for identifier, label, key in (
            ("parameters", "parameters", "parameters"),
            ("multiply-adds", "multiply-adds", "multiply_adds"),
        )
        if (dots := _dots(groups, key))
    ]
    return section(
        "comparison",
        "Comparison",
        table(head, rows, "Mean ± standard deviation over runs of equal settings"),
        paragraph(
            "Points are means over runs of equal settings, bars one standard error of the test accuracy in "
            "each direction: of the test items, and of the runs where there are several. A difference within "
            "two standard errors says nothing.",
            "note",
        )
        if charts
        else "",
        grid(charts),
        csv_link("comparison.csv", wide, numbers),
    )


def _entries(runs: Sequence[Run]) -> list[_Entry]:
    searches = {run.folder.resolve(): run for run in runs if run.command == "search"}
    found, used = [], set()
    for run in runs:
        if run.command != "train":
            continue
        place = _place_of(run.settings.get("genotype"))
        if place not in searches and (run.folder.parent / "search").resolve() in searches:
            # Folders that were moved: a demo or a comparison keeps both parts side by side.
            beside = (run.folder.parent / "search").resolve()
            place = beside if _same(run, searches[beside]) else place
        search = searches.get(place) if place is not None else None
        if search is not None:
            used.add(search.folder)
        method = _method(search) if search is not None else str(run.start.get("genotype") or run.name)
        found.append(_Entry(method, str(run.start.get("data", "")), run, search, run))
    found += [
        _Entry(_method(run), str(run.start.get("data", "")), run, run, None)
        for run in searches.values()
        if run.folder not in used
    ]
    return found


def _place_of(genotype: Any) -> Path | None:
    """Return the folder that a setting names; ``None`` where no folder can have such a name."""
    try:
        return Path(genotype).resolve() if isinstance(genotype, str) and genotype else None
    except (OSError, ValueError):
        return None


def _same(training: Run, search: Run) -> bool:
    return training.genotype is not None and training.genotype == search.genotype


def _method(search: Run) -> str:
    """Return the method of a search, with its variant where the genotype is named after it."""
    strategy = str(search.start.get("strategy") or search.name)
    settings = search.settings.get("strategy")
    if isinstance(settings, dict):
        if strategy == "sdas" and settings.get("schedule"):
            return f"sdas-{settings['schedule']}"
        if strategy == "das" and settings.get("order") == 2:
            return "das2"
    return strategy


def _dots(groups: dict[tuple[str, ...], list[_Entry]], key: str) -> list[Dot]:
    dots = []
    for (method, data, *own), group in groups.items():
        known = [
            (x, y, standard_error(y, e.of("training", "test", "count") or 0))
            for e in group
            if (x := _millions(e, key)) is not None and (y := e.of("training", "test", "top1")) is not None
        ]
        if not known:
            continue
        ys = [y for _, y, _ in known]
        middle = fmean(ys)
        # The runs share their test items: that error is not averaged away.
        spread = stdev(ys) ** 2 / len(ys) if len(ys) > 1 else 0.0
        error = (fmean(e for _, _, e in known) ** 2 + spread) ** 0.5
        several_data = len({made[1] for made in groups}) > 1
        name = ", ".join(filter(None, [method, data if several_data else "", *own]))
        dots.append(Dot(name, name, fmean(x for x, _, _ in known), middle, middle - error, middle + error))
    return dots


def _millions(entry: _Entry, key: str) -> float | None:
    value = entry.of("training", key)
    if value is None:
        value = entry.of("search", "network", key)
    return None if value is None else float(value) / 1e6


def _seconds(search: Run | None) -> float | None:
    if search is None:
        return None
    return float(sum((e.get("volatile") or {}).get("seconds", 0) for e in search.events_of("epoch")))


def _spread(values: Sequence[float]) -> str | float | None:
    if not values:
        return None
    return f"{fmean(values):.4g} ± {stdev(values):.2g}" if len(values) > 1 else float(values[0])


def listing(runs: Sequence[Run]) -> str:
    """Return the list of the runs, with links where their own parts follow."""
    lines = "".join(
        f'<li><a href="#run-{n}-top">{escape(run.name)}</a></li>' for n, run in enumerate(runs, 1)
    )
    return section("runs", "Runs", f"<ul>{lines}</ul>")
