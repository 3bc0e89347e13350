"""Comparison of several runs: a table by method, and charts of accuracy against cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from autodas.report.page._charts import Dot, scatter_chart
from autodas.report.page._html import csv_link, escape, paragraph, section, table
from autodas.report.page._metrics import grid
from autodas.runs.comparison import (
    Entry,
    Repetitions,
    Spread,
    entries_of,
    repetitions,
    spread_of,
)
from autodas.runs.reading import Run
from autodas.runs.scores import common_score, score_of
from autodas.runs.significance import pooled_deviation, standard_error

_COLUMNS: tuple[tuple[str, Callable[[Entry], float | None]], ...] = (
    ("test score, %", lambda e: e.score),
    ("parameters, M", lambda e: _millions(e, "parameters")),
    ("multiply-adds, M", lambda e: _millions(e, "multiply_adds")),
    ("relaxed, %", lambda e: e.relaxed),
    ("discrete, %", lambda e: e.discrete),
    ("margin", lambda e: e.margin),
    ("search, s", lambda e: e.seconds),
)


def several(runs: Sequence[Run]) -> str:
    """Return the comparison of runs: by method and data set, mean and standard deviation.

    Args:
        runs: searches and trainings. The training of a search's genotype is in the same row as the search.
    """
    entries = entries_of(runs)
    differ, groups = repetitions(entries)
    score = common_score(entry.task for entry in entries)
    words = "score" if score is None else score.words
    what = ["method", "data", *differ, "runs"]
    rows: list[list[Any]] = []
    numbers: list[list[Any]] = []
    for group in groups:
        made = [group.method, group.data, *group.settings, len(group.entries)]
        spreads = [spread_of([v for v in map(take, group.entries) if v is not None]) for _, take in _COLUMNS]
        rows.append([*made, *map(_in_words, spreads)])
        numbers.append([*made, *(number for spread in spreads for number in spread)])
    names = [name.replace("score", words) for name, _ in _COLUMNS]
    head = [*what, *names]
    wide = [*what, *(n for name in names for n in (name, f"{name}: deviation"))]
    charts = [
        scatter_chart(
            f"accuracy-{identifier}",
            f"{words[:1].upper()}{words[1:]} against {label}",
            f"{label}, M",
            f"test {words}, %",
            dots,
        )
        for identifier, label, key in (
            ("parameters", "parameters", "parameters"),
            ("multiply-adds", "multiply-adds", "multiply_adds"),
        )
        if (dots := _dots(groups, differ, key))
    ]
    return section(
        "comparison",
        "Comparison",
        table(head, rows, "Mean ± standard deviation over runs with equal settings", sortable=True),
        paragraph(
            f"Points are means over runs with equal settings, bars are one standard error of the test "
            f"{words} in each direction, from the number of test samples (accuracies only) and, if there are "
            "repetitions, the deviation common to all groups on the same data. Without repetitions, "
            "differences may be due to chance.",
            "note",
        )
        if charts
        else "",
        grid(charts),
        csv_link("comparison.csv", wide, numbers),
    )


def _dots(groups: Sequence[Repetitions], differ: Sequence[str], key: str) -> list[Dot]:
    dots = []
    several_data = len({group.data for group in groups}) > 1
    deviations = {data: _deviation(groups, data) for data in {group.data for group in groups}}
    for group in groups:
        known = [
            (x, y, (e.count or 0) if score_of(e.task).proportion else None)
            for e in group.entries
            if (x := _millions(e, key)) is not None and (y := e.score) is not None
        ]
        if not known:
            continue
        ys = [y for _, y, _ in known]
        middle, error = fmean(ys), standard_error(ys, known[0][2], deviations[group.data])
        settings = [f"{k} {value}" for k, value in zip(differ, group.settings, strict=True) if value]
        name = ", ".join(filter(None, [group.method, group.data if several_data else "", *settings]))
        dots.append(Dot(name, name, fmean(x for x, _, _ in known), middle, middle - error, middle + error))
    return dots


def _deviation(groups: Sequence[Repetitions], data: str) -> float:
    """Return the deviation over repetitions common to all groups on the same data; 0 if it is unknown."""
    on_data = [
        [e.score for e in group.entries if e.score is not None] for group in groups if group.data == data
    ]
    return pooled_deviation(on_data) or 0.0


def _millions(entry: Entry, key: str) -> float | None:
    value: float | None = getattr(entry, key)
    return None if value is None else float(value) / 1e6


def _in_words(spread: Spread) -> str | float | None:
    if spread.mean is None or spread.deviation is None:
        return spread.mean
    return f"{spread.mean:.4g} ± {spread.deviation:.2g}"


def listing(runs: Sequence[Run]) -> str:
    """Return the list of runs, with links to their sections."""
    lines = "".join(
        f'<li><a href="#run-{n}-top">{escape(run.name)}</a></li>' for n, run in enumerate(runs, 1)
    )
    return section("runs", "Runs", f"<ul>{lines}</ul>")
