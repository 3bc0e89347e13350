"""Page of a comparison by a table: marks at the right places, safe text, numbers to download."""

from __future__ import annotations

import csv
import re
from io import StringIO
from urllib.parse import unquote

import pytest

from autodas.report import FoundRun, TableComparison, render_table_comparison
from autodas.report.page._strips import strip_chart
from autodas.tables import Table

EVERYTHING = [float(value) for value in range(1, 101)]


def chart(strips: dict[str, dict[str, float]]) -> str:
    return strip_chart("found", "Found", "accuracy", EVERYTHING, strips)


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]


def numbers(svg: str) -> list[list[str]]:
    (content,) = re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', svg)
    return list(csv.reader(StringIO(unquote(content))))


def test_marks_lie_on_the_axis_in_rows() -> None:
    svg = chart({"das": {"seed 0": 20.0, "seed 1": 60.0}, "snas": {"seed 0": 100.0}})
    (first, second, third) = circles(svg)
    assert first[1] == second[1] < third[1]
    # In proportion: 40 and 40 more.
    assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.11)
    ticks = {
        int(text): float(x)
        for x, text in re.findall(r'x="([\d.]+)" y="\d+" text-anchor="middle">(\d+)<', svg)
    }
    assert ticks[60] == pytest.approx(second[0], abs=0.06)
    assert numbers(svg) == [
        ["method", "run", "accuracy", "share of all below"],
        ["das", "seed 0", "20.0", "0.19"],
        ["das", "seed 1", "60.0", "0.59"],
        ["snas", "seed 0", "100.0", "0.99"],
    ]


def test_the_lowest_are_left_out_but_never_what_was_found() -> None:
    assert "5 % are below 6" in chart({"das": {"seed 0": 50.0}})
    found_below = chart({"das": {"seed 0": 1.0}})
    assert "are below" not in found_below
    ((x, _),) = circles(found_below)
    assert x > 130  # inside the axis


def test_bars_are_the_distribution() -> None:
    svg = chart({"das": {"seed 0": 1.0}})
    heights = [
        float(base) - float(top) for base, top in re.findall(r'class="bars" d="M[\d.]+ (\d+)V([\d.]+)', svg)
    ]
    assert len(heights) == 60
    # 100 values in 60 bins of 1.65: one or two in each.
    assert set(heights) == {55.0, 110.0}
    assert sum(round(height / 55) for height in heights) == 100


def test_page_is_safe_and_complete() -> None:
    table = Table("<b>.csv", ("a", "b"), {f"cell {n}": (float(n), n / 2) for n in range(1, 101)})
    found = {"a": 90.0, "b": 45.0}
    run = FoundRun("das", 0, "|x~0|", found, 0.89, 10.0, 1.0, 2.0, 3.0, 4.0, 1, (None, 71.234, 90.0))
    page = render_table_comparison(TableComparison((run,), table, "a"), "Agreement of seeds: none.")
    assert "<b>.csv" not in page
    assert page.count("<figure") == 2
    assert page.count("<circle") == 4  # das and a random cell, on two data sets
    for text in ("|x~0|", "Agreement of seeds: none.", "a random cell", "50.50 ± 29.01", "-, 71.23, 90.00"):
        assert text in page
    assert "http" not in page.replace("http-equiv", "")
