"""Page of a table of costs: points and shades at the right places, safe text."""

from __future__ import annotations

import csv
import re
from io import StringIO
from urllib.parse import unquote

import pytest

from autodas.costs import CostTable
from autodas.report import render_costs
from autodas.report.page._charts import Dot, scatter_chart
from autodas.spaces import get_space

CELL = get_space("nasbench201").cell
ROWS = [[0.0, 1.0, -0.5, 2.0, 0.25 * edge] for edge in range(6)]
FIT = {"networks": 3, "rank_correlation": 0.9876, "median_error": 0.0123, "p90_error": 0.05}
TABLE = CostTable(
    "latency_ms",
    CELL,
    {"normal": ROWS},
    7.0,
    device={"machine": "<b>board</b>"},
    fit=FIT | {"held_out": [[10.0, 12.0], [20.0, 18.0], [30.0, 30.0]]},
)


def files(page: str) -> dict[str, list[list[str]]]:
    links = re.findall(r'download="([^"]*)" href="data:text/csv;charset=utf-8,([^"]*)"', page)
    return {name: list(csv.reader(StringIO(unquote(content)))) for name, content in links}


def test_page() -> None:
    page = render_costs(TABLE)
    assert "rank correlation 0.988, relative error 1.2 % in the median, 5.0 % at the 90th percentile" in page
    assert page.count("<circle") == 3 + 1  # and the one in the legend
    assert "measured 10, predicted 12" in page
    assert "<b>board" not in page
    assert "http" not in page.replace("http-equiv", "")
    numbers = files(page)
    head = ["network", "measured ms", "predicted ms", "low", "high"]
    assert numbers["held-out.csv"][:2] == [
        head,
        ["measured 10, predicted 12", "10.0", "12.0", "12.0", "12.0"],
    ]
    assert numbers["costs-normal.csv"][:2] == [
        ["edge", *CELL.operations],
        ["0 → 1", "0.0", "1.0", "-0.5", "2.0", "0.0"],
    ]


def test_shades_are_proportional_to_costs() -> None:
    cells = re.findall(r'<td class="(\w+)" style="--share:(\d+)%">([^<]*)</td>', render_costs(TABLE))
    assert cells[:5] == [
        ("first", "0", "0.00"),
        ("first", "50", "1.00"),
        ("second", "25", "-0.50"),
        ("first", "100", "2.00"),
        ("first", "0", "0.00"),
    ]
    assert cells[-1] == ("first", "62", "1.25")


@pytest.mark.parametrize(
    ("costs", "texts"),
    [
        ([0.0, 0.787, -1e-5, 0.0671], ["0.000", "0.787", "0.000", "0.067"]),
        ([0.0, 51234.6, 3.2, 9.0], ["0", "51235", "3", "9"]),
        ([0.0] * 4, ["0"] * 4),
    ],
)
def test_costs_have_digits_in_common(costs: list[float], texts: list[str]) -> None:
    page = render_costs(CostTable("latency_ms", CELL, {"normal": [[0.0, *costs]] * 6}, 7.0))
    assert re.findall(r"--share:\d+%\">([^<]*)</td>", page)[1:5] == texts


def test_facts_that_are_missing_are_left_out() -> None:
    page = render_costs(CostTable("latency_ms", CELL, {"normal": ROWS}, 7.0))
    assert "<circle" not in page
    assert 'id="device"' not in page
    assert 'class="shaded"' in page


def test_points_on_the_diagonal_are_equal() -> None:
    dots = [Dot("a", str(x), x, y, y, y) for x, y in ((1.0, 1.0), (3.0, 3.0), (2.0, 4.0))]
    svg = scatter_chart("c", "c", "x", "y", dots, equal=True)
    ((left, low, right, high),) = [
        tuple(map(float, line)) for line in re.findall(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', svg)
    ]
    # The first circle is in the legend.
    points = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)][1:]

    def above(point: tuple[float, float]) -> float:
        """Return by how much a point is above the line, in pixels."""
        return low + (point[0] - left) / (right - left) * (high - low) - point[1]

    assert above(points[0]) == pytest.approx(0, abs=0.2)
    assert above(points[1]) == pytest.approx(0, abs=0.2)
    assert above(points[2]) > 50
    assert "L" not in re.findall(r'd="(M[^"]*)"', scatter_chart("c", "c", "x", "y", dots))[-1]
