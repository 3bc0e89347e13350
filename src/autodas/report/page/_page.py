"""Page of one or several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from autodas._version import __version__
from autodas.report.page._html import escape, folded, items, paragraph, section
from autodas.report.page._result import cost, facts, final_cells, origin
from autodas.report.page._search import SEARCH_SECTIONS
from autodas.report.page._several import listing, several
from autodas.report.page._training import TRAINING_SECTIONS
from autodas.runs.reading import Run, name_of, read_run
from autodas.terminal import message
from autodas.writing import write_whole

_FEW = 6  # most runs with their own sections; for more, only the comparison is shown to limit the page size

Section = Callable[[Run, str], str]
"""Function that makes a section, from a run and the prefix of identifiers."""

# With this policy, browsers make no network requests, whatever the page contains.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def render_page(runs: Sequence[str | Path], *, live: bool = False, title: str = "") -> str:
    """Return the whole page, which makes no network requests.

    Args:
        runs: run folders.
        live: whether the page is served with live updates and may make requests to its own server only.
        title: what several runs are together, as plain text; by default that they are compared.

    Raises:
        AutodasError: if a folder does not exist.
    """
    return page_around(render_main(runs, title), title or ", ".join(map(name_of, runs)), live=live)


def page_around(main: str, title: str, *, live: bool = False) -> str:
    """Return a whole page.

    Args:
        main: content of its ``main`` element.
        title: title as plain text.
        live: as for :func:`render_page`.
    """
    policy = _POLICY + ("; connect-src 'self'" if live else "")
    here = files("autodas.report.page")
    style = here.joinpath("page.css").read_text(encoding="utf-8")
    script = here.joinpath("page.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f'<body{" class=live" if live else ""}>\n<a class="skip" href="#main">Skip to the content</a>\n'
        f'<main id="main">\n{main}</main>\n'
        f"<footer>{escape(f'autodas {__version__}')}</footer>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def write_page(runs: Sequence[str | Path], output: str | Path, *, title: str = "") -> Path:
    """Write the page of runs to a file, and return its path.

    Args:
        runs: run folders.
        output: output file; an existing one is replaced.
        title: as for :func:`render_page`.

    Raises:
        AutodasError: if a folder does not exist, or the file cannot be written.
    """
    path = Path(output)
    write_whole(path, render_page(runs, title=title).encode("utf-8", "replace"))
    return path


def render_main(runs: Sequence[str | Path], title: str = "") -> str:
    """Return the content of the page's ``main`` element.

    Args:
        runs: run folders.
        title: as for :func:`render_page`.

    Raises:
        AutodasError: if a folder does not exist.
    """
    return _main([read_run(run) for run in runs], title)


def _main(read: Sequence[Run], title: str) -> str:
    if len(read) == 1:
        return _run(read[0], "", 1)
    each = [_run(run, f"run-{number}-", 2) for number, run in enumerate(read, 1)] if len(read) <= _FEW else []
    names = [run.name for run in read]
    missing = [f"{run.name}: {problem}" for run in read for problem in run.problems] if not each else []
    return "\n".join(
        [
            f"<h1>{escape(title or f'Comparison of {len(read)} runs')}</h1>",
            listing(read) if each else folded("The runs", items(names)),
            section("problems", "What is missing", items(missing)) if missing else "",
            _tried(lambda _, __: several(read), read[0], ""),
            *each,
        ]
    )


def _run(run: Run, prefix: str, level: int) -> str:
    head = f'<h{level} id="{prefix}top" class="run">{escape(run.name)}</h{level}>\n'
    problems = section(f"{prefix}problems", "What is missing", items(run.problems)) if run.problems else ""
    kinds = {"search": SEARCH_SECTIONS, "train": TRAINING_SECTIONS}
    # If the kind of run is unknown, try all sections; those without content are omitted.
    own = kinds.get(run.command, (*SEARCH_SECTIONS, *TRAINING_SECTIONS[:-1]))
    sections = [_tried(make, run, prefix) for make in (*own, final_cells, cost, origin)]
    return head + _tried(facts, run, prefix) + problems + "".join(sections)


def _tried(make: Section, run: Run, prefix: str) -> str:
    """Make a section, or a note in its place if the files of the run have unexpected content."""
    try:
        return make(run, prefix)
    except Exception as error:  # unexpected content must not prevent the rest of the page
        what = (make.__doc__ or "The comparison.").strip().partition("\n")[0]
        return paragraph(
            f"{what} This part is missing because of unexpected content in the files of the run: "
            f"{type(error).__name__}: {message(str(error))}",
            "problem",
        )
