"""How objects show themselves in notebooks. Where nothing can be drawn, they do it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.report.drawing._cells import DrawnCell, cells_of_genotype
from autodas.report.drawing._dot import dot
from autodas.report.drawing._progress import cells_of_run
from autodas.report.drawing._render import render_svg
from autodas.report.drawing._stack import stacked
from autodas.runs.events import Epoch
from autodas.runs.reading import read_run


def genotype_svg(genotype: Genotype) -> str | None:
    """Return all cells and stage graphs of a genotype as one SVG; ``None`` where nothing can be drawn."""
    return _drawn(cells_of_genotype(genotype), f"The cells of {genotype.name or 'a genotype'}")


def genotype_html(genotype: Genotype) -> str:
    """Return a genotype as HTML: its name and its cells, drawn, or else as its JSON document."""
    facts = {"genotype": genotype.name or "without a name", "space": genotype.space or "none"}
    picture = genotype_svg(genotype)
    return _facts(facts) + (_scrolling(picture) if picture else f"<pre>{escape(genotype.to_json())}</pre>")


def result_html(genotype: Genotype, accuracies: Mapping[str, Any], margin: float | None) -> str:
    """Return what a search found as HTML: accuracies with the weights of the search, then the genotype.

    Args:
        genotype: the architecture.
        accuracies: name to percent, on the validation half.
        margin: mean priority of the decisions; ``None`` where nothing was decided.
    """
    names = ("relaxed", "discrete", "reestimated", "rebuilt")
    facts = {name: f"{accuracies[name]:.1f} %" for name in names if name in accuracies}
    if margin is not None:
        facts["mean margin"] = f"{margin:.3f}"
    return _facts(facts) + genotype_html(genotype)


def run_html(folder: str | Path) -> str:
    """Return a run as HTML: what it is, how far it came, its cells; also of a folder that is no run yet.

    Args:
        folder: the run folder.
    """
    try:
        run = read_run(folder)
    except AutodasError as error:
        return f"<p>{escape(str(error))}</p>"
    epochs = run.events_of(Epoch)
    facts = {
        "run": str(run.folder),
        "command": run.command or "unknown",
        "data": run.start.data or "unknown",
        "state": "finished" if run.finished else "not finished",
        "epochs": len(epochs),
        **_results(run.summary),
    }
    if run.genotype is not None:
        return _facts(facts) + genotype_html(run.genotype)
    try:
        picture = _drawn(cells_of_run(folder), f"The cells of {run.name}, as far as they are decided")
    except AutodasError:  # no search, or a log that cannot be read: the facts are there
        picture = None
    return _facts(facts) + (_scrolling(picture) if picture else "")


def _results(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return the accuracies that a summary has."""
    found = {}
    for part, name in (("accuracies", "discrete"), ("test", "top1"), ("test", "video_top1")):
        values = summary.get(part)
        if isinstance(values, Mapping) and isinstance(values.get(name), int | float):
            found[f"{name}, %"] = f"{values[name]:.2f}"
    return found


def _drawn(cells: Sequence[DrawnCell], description: str) -> str | None:
    try:
        return stacked([render_svg(dot(cell)) for cell in cells], description=description)
    except AutodasError:
        return None


def _facts(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in facts.items()
    )
    return f"<table>{rows}</table>\n"


def _scrolling(picture: str) -> str:
    return f'<div style="overflow-x:auto">{picture}</div>\n'
