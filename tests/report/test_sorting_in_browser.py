"""Tables that the reader sorts, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autodas.report.page import page_around
from autodas.report.page._html import table

pytestmark = pytest.mark.slow

ROWS = [
    # method, share, parameters, size
    ("net10", "9.5 ± 0.2", 2_000_000, "8"),
    ("net9", "10.25 ± 1.5", 30, ""),
    ("Net2", None, 1_000, "16"),
    ("net1", "9.5 ± 4", None, "x"),
    ("net11", "-3", 1_000, "0.5"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "table.html"
    head = ["method", "share, %", "parameters", "size"]
    sorted_by_reader = table(head, ROWS, "Networks", sortable=True)
    path.write_text(page_around(sorted_by_reader + table(head, ROWS, "As it is"), "Tables"))
    return path


def order(page: Any) -> list[str]:
    found: list[str] = page.locator("table.sortable tbody tr td:first-child").all_inner_texts()
    return found


# By hand. Equal values keep the order of the page in both directions; missing ones are last in both.
RISING = {
    "method": ["net1", "Net2", "net9", "net10", "net11"],
    "share, %": ["net11", "net10", "net1", "net9", "Net2"],
    "parameters": ["net9", "Net2", "net11", "net10", "net1"],
    "size": ["net11", "net10", "Net2", "net1", "net9"],  # not all are numbers: text, in natural order
}
FALLING = {
    "method": ["net11", "net10", "net9", "Net2", "net1"],
    "share, %": ["net9", "net10", "net1", "net11", "Net2"],
    "parameters": ["net10", "Net2", "net11", "net9", "net1"],
    "size": ["net1", "Net2", "net10", "net11", "net9"],
}


@pytest.mark.parametrize("column", RISING)
def test_rows_are_sorted_by_a_click(page: Any, column: str) -> None:
    assert order(page) == [row[0] for row in ROWS]
    head = page.get_by_role("columnheader", name=column).first
    button = page.get_by_role("button", name=column)
    button.click()
    assert order(page) == RISING[column]
    assert head.get_attribute("aria-sort") == "ascending"
    button.click()
    assert order(page) == FALLING[column]
    assert head.get_attribute("aria-sort") == "descending"
    button.click()
    assert order(page) == RISING[column]


def test_rows_are_sorted_by_keys(page: Any) -> None:
    page.get_by_role("button", name="method").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert order(page) == RISING["share, %"]
    page.keyboard.press("Space")
    assert order(page) == FALLING["share, %"]


def test_one_column_at_a_time_is_marked(page: Any) -> None:
    for column in ("method", "parameters"):
        page.get_by_role("button", name=column).click()
    marked = page.locator("th[aria-sort]").all_inner_texts()
    assert marked == ["parameters"]
    assert order(page) == RISING["parameters"], "ties as on the page, not as sorted before"


def test_other_tables_stay_as_they_are(page: Any) -> None:
    assert page.locator("table:not(.sortable) th").count() == 4
    assert page.locator("table:not(.sortable) button").count() == 0
