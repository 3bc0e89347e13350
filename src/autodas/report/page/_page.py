"""The page of one run or of several."""

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

_FEW = 6  # of more runs the comparison alone is shown, lest the page gets too large to open

Section = Callable[[Run, str], str]
"""Makes a section of a run: the run, and what identifiers begin with."""

# A browser that is told so asks no one for anything, whatever stands in the page.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def render_page(runs: Sequence[str | Path], *, live: bool = False) -> str:
    """Return the whole page, which asks the network for nothing.

    Args:
        runs: folders of runs.
        live: whether it is served while the runs go on: then it may ask its own server, and nobody else.

    Raises:
        AutodasError: if there is no such folder.
    """
    return page_around(render_main(runs), ", ".join(map(name_of, runs)), live=live)


def page_around(main: str, title: str, *, live: bool = False) -> str:
    """Return a whole page.

    Args:
        main: what stands inside its ``main`` element.
        title: plain text.
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


def write_page(runs: Sequence[str | Path], output: str | Path) -> Path:
    """Write the page of runs to a file, and return where it is.

    Args:
        runs: folders of runs.
        output: the file; it is replaced where it is there.

    Raises:
        AutodasError: if there is no such folder, or the file cannot be written.
    """
    path = Path(output)
    write_whole(path, render_page(runs).encode("utf-8", "replace"))
    return path


def render_main(runs: Sequence[str | Path]) -> str:
    """Return what stands inside the page's ``main`` element.

    Args:
        runs: folders of runs.

    Raises:
        AutodasError: if there is no such folder.
    """
    return _main([read_run(run) for run in runs])


def _main(read: Sequence[Run]) -> str:
    if len(read) == 1:
        return _run(read[0], "", 1)
    each = [_run(run, f"run-{number}-", 2) for number, run in enumerate(read, 1)] if len(read) <= _FEW else []
    names = [run.name for run in read]
    missing = [f"{run.name}: {problem}" for run in read for problem in run.problems] if not each else []
    return "\n".join(
        [
            f"<h1>{escape(f'{len(read)} runs')}</h1>",
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
    # Where nothing says what kind of run it is, everything is tried: sections without content stay away.
    own = kinds.get(run.command, (*SEARCH_SECTIONS, *TRAINING_SECTIONS[:-1]))
    sections = [_tried(make, run, prefix) for make in (*own, final_cells, cost, origin)]
    return head + _tried(facts, run, prefix) + problems + "".join(sections)


def _tried(make: Section, run: Run, prefix: str) -> str:
    """Make a section; where the files hold something unexpected, say so in its place."""
    try:
        return make(run, prefix)
    except Exception as error:  # a file may hold anything, and no part may cost the whole page
        what = (make.__doc__ or "The comparison.").strip().partition("\n")[0]
        return paragraph(
            f"{what} This part is left out, the files of the run hold something unexpected: "
            f"{type(error).__name__}: {message(str(error))}",
            "problem",
        )
