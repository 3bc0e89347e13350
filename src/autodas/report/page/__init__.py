"""The page of a run: one HTML file with pictures, that asks the network for nothing."""

from __future__ import annotations

from autodas.report.page._find import find_runs
from autodas.report.page._page import page_around, render_main, render_page, write_page
from autodas.report.page._run import Run, name_of, read_run

__all__ = [
    "Run",
    "find_runs",
    "name_of",
    "page_around",
    "read_run",
    "render_main",
    "render_page",
    "write_page",
]
