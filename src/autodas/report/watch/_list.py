"""List of runs."""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from autodas._version import __version__
from autodas.report.page._html import escape
from autodas.report.watch._runs import WatchedRuns
from autodas.runs.folder import EVENTS, RunFolder
from autodas.runs.reading import read_start

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
    """Return the content of the list's ``main`` element: a row for each run."""
    names = runs.names()
    if not names:
        return "<h1>Runs</h1>\n<p>No runs yet. They appear here once they start.</p>\n"
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    rows = "\n".join(_row(name, folder) for name in names if (folder := runs.folder(name)) is not None)
    return (
        '<h1>Runs</h1>\n<div class="wide" tabindex="0" role="region" aria-label="Runs"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n"
    )


def _row(name: str, folder: Path) -> str:
    start = read_start(folder)
    what = " ".join(word for word in (start.command, start.strategy, start.genotype) if word is not None)
    state = "finished" if RunFolder(folder).finished else "not finished"
    cells = (state, what, start.data or "", _last_change(folder))
    link = f'<a href="{escape(quote(name, errors="surrogateescape"))}/">{escape(name)}</a>'
    return f"<tr><th scope=row>{link}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _last_change(folder: Path) -> str:
    try:
        moment = (folder / EVENTS).stat().st_mtime
    except OSError:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
