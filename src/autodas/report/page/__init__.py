"""Report on runs: one self-contained HTML page with charts and drawings."""

from __future__ import annotations

from autodas.report.page._page import page_around, render_main, render_page, write_page

__all__ = [
    "page_around",
    "render_main",
    "render_page",
    "write_page",
]
