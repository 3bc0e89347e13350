"""The list of runs."""

from __future__ import annotations

import os
import time
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autodas._version import __version__
from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, parse_json
from autodas.report.page._html import escape
from autodas.report.watch._runs import WatchedRuns

_HEAD = ("Run", "State", "What", "Data", "Last change")


def render_list(runs: WatchedRuns) -> str:
    """Return the page with the list of all runs."""
    style = files("autodas.report.page").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>Runs</title>\n<style>\n{style}td {{ white-space: nowrap; }}\n</style>\n</head>\n<body>\n"
        f'<main id="main">\n{render_rows(runs)}</main>\n'
        f"<footer>{escape(f'autodas {__version__}')}</footer>\n</body>\n</html>\n"
    )


def render_rows(runs: WatchedRuns) -> str:
    """Return what stands in the list's ``main`` element: a row for each run."""
    names = runs.names()
    if not names:
        return "<h1>Runs</h1>\n<p>There is no run here yet. This page shows it when there is one.</p>\n"
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    rows = "\n".join(_row(name, folder) for name in names if (folder := runs.folder(name)) is not None)
    return (
        '<h1>Runs</h1>\n<div class="wide" tabindex="0" role="region" aria-label="Runs"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n"
    )


def _row(name: str, folder: Path) -> str:
    start = _first_event(folder)
    what = " ".join(str(start[key]) for key in ("command", "strategy", "genotype") if key in start)
    state = "finished" if os.path.exists(folder / "summary.json") else "not finished"
    cells = (state, what, start.get("data", ""), _last_change(folder))
    link = f'<a href="{escape(quote(name, errors="surrogateescape"))}/">{escape(name)}</a>'
    return f"<tr><th scope=row>{link}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _first_event(folder: Path) -> dict[str, Any]:
    try:
        with open(folder / "events.jsonl", "rb") as log:
            event = parse_json(log.readline(MEBIBYTE), "events.jsonl")
    except (OSError, AutodasError):
        return {}
    return event if isinstance(event, dict) else {}


def _last_change(folder: Path) -> str:
    try:
        moment = (folder / "events.jsonl").stat().st_mtime
    except OSError:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
