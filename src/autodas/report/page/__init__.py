"""The page of a run: one HTML file with pictures, that asks the network for nothing."""

from __future__ import annotations

from autodas.report.page._page import page_around, render_main, render_page, write_page

__all__ = [
    "page_around",
    "render_main",
    "render_page",
    "write_page",
]
