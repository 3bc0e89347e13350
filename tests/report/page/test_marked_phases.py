"""Phases and their parts in the charts of the weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.report.page.runs import KINDS, read_events, write_events, write_search

from autodas.report.page import render_main
from autodas.report.page._phases import phase_marks, phase_note
from autodas.runs.events import Start
from autodas.runs.phases import phases_of

STAGES = [
    {"name": "stage 1", "iterations": 40, "weights_only": 10},
    {"name": "stage 2", "iterations": 10},
    {"name": "<3>", "iterations": 50},
]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_search(tmp_path_factory.mktemp("runs") / "search")


def with_phases(search: Path, folder: Path, phases: list[dict[str, Any]]) -> Path:
    """Return a copy of a search of 102 iterations whose log tells of other phases."""
    shutil.copytree(search, folder)
    start, *rest = read_events(folder)
    write_events(folder, [{**start, "phases": phases}, *rest])
    return folder


def test_lines_shades_and_names_are_where_they_belong() -> None:
    """In a chart of 100 iterations that is 200 wide; the second stage has room for an upright name only."""
    marks = phase_marks(phases_of(Start(phases=STAGES)), 100, 200, 90)
    assert re.findall(r'class="phase" d="M(\d+) 0V90"', marks) == ["80", "100"]
    assert re.findall(r'class="rest" d="([^"]*)"', marks) == ["M0 0H20V90H0z"]
    names = re.findall(r'<text class="name" (transform)?[^>]*?x="(\d+)"[^>]*>([^<]*)<', marks)
    assert names == [("", "4", "stage 1"), ("transform", "91", "stage 2"), ("", "104", "&lt;3&gt;")]


def test_what_has_not_begun_is_not_marked(search: Path, tmp_path: Path) -> None:
    """The last weights of the log are those of iteration 102."""
    later = [{"name": "search", "iterations": 102, "settle": 2}, {"name": "final", "iterations": 50}]
    page = render_main([with_phases(search, tmp_path / "run", later)])
    assert page.count('class="phase"') == 0
    assert "final" not in page[page.index("Alpha and beta") : page.index("Time and memory")]
    assert page.count('class="rest"') == 14 * len(KINDS)
    earlier = [{"name": "search", "iterations": 101}, {"name": "final", "iterations": 50, "settle": 3}]
    page = render_main([with_phases(search, tmp_path / "other", earlier)])
    assert page.count('class="phase"') == 14 * len(KINDS)
    assert page.count('class="rest"') == 0, "beyond the right edge"


def test_a_single_phase_has_its_parts_named() -> None:
    told = [{"name": "search", "iterations": 100, "warmup": 10, "settle": 30}]
    phases = phases_of(Start(phases=told))
    marks = phase_marks(phases, 100, 200, 90)
    assert "search" not in marks
    assert re.findall(r">([^<]*)</text>", marks) == ["warm-up", "settle"]
    assert re.findall(r'class="rest" d="([^"]*)"', marks) == ["M0 0H20V90H0z", "M140 0H200V90H140z"]
    assert "settle (everything is decided" in phase_note(phases)


def test_every_chart_of_the_page_is_marked(search: Path, tmp_path: Path) -> None:
    page = render_main([with_phases(search, tmp_path / "run", STAGES)])
    charts = re.findall(r'aria-label="Weights of edge.*?</svg>', page)
    assert len(charts) == 14 * len(KINDS)
    assert all(chart.count('class="phase"') == 2 for chart in charts)
    assert "stage 1, then stage 2 after iteration 40, &lt;3&gt; after iteration 50" in page
    assert r"Iteration 3, phase \u201cstage 1\u201d, epoch 1, 1 decision: " in page, "the words of the slider"


@pytest.mark.parametrize(
    "phases", [[], [{"name": "search"}], [{"name": "search", "iterations": 102}]], ids=["none", "no", "one"]
)
def test_older_logs_have_charts_without_marks(
    search: Path, tmp_path: Path, phases: list[dict[str, Any]]
) -> None:
    page = render_main([with_phases(search, tmp_path / "run", phases)])
    assert page.count("Weights of edge") == 14 * len(KINDS)
    assert 'class="phase"' not in page
    assert 'class="rest"' not in page
    assert "Vertical lines" not in page
    assert "missing because of" not in page
