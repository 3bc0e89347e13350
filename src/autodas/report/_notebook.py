"""Display of objects in notebooks, as text if drawing is not available."""

from __future__ import annotations

from base64 import b64encode
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
from autodas.report.page._weights_picture import weights_svg
from autodas.runs.events import Epoch
from autodas.runs.reading import Run, read_run


def genotype_svg(genotype: Genotype) -> str | None:
    """Return all cells and stage graphs of a genotype as one SVG; ``None`` if drawing is not available."""
    return _drawn(cells_of_genotype(genotype), f"The cells of {genotype.name or 'a genotype'}")


def genotype_html(genotype: Genotype) -> str:
    """Return a genotype as HTML: its name, and a drawing of its cells or else its JSON document."""
    facts = {"genotype": genotype.name or "without a name", "space": genotype.space or "none"}
    drawing = genotype_svg(genotype)
    return _facts(facts) + (_scrolling(drawing) if drawing else f"<pre>{escape(genotype.to_json())}</pre>")


def result_html(genotype: Genotype, accuracies: Mapping[str, Any], margin: float | None) -> str:
    """Return the result of a search as HTML: accuracies with the weights of the search, then the genotype.

    Args:
        genotype: derived genotype.
        accuracies: name to accuracy on the validation half, in percent.
        margin: mean priority of the decisions; ``None`` without decisions.
    """
    names = ("relaxed", "discrete", "reestimated", "rebuilt")
    facts = {name: f"{accuracies[name]:.1f} %" for name in names if name in accuracies}
    if margin is not None:
        facts["mean margin"] = f"{margin:.3f}"
    return _facts(facts) + genotype_html(genotype)


def run_html(folder: str | Path) -> str:
    """Return a run as HTML: its description, progress, cells and the weights of a search over time.

    If the folder is not a run, the error is returned.

    Args:
        folder: run folder.
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
        return _facts(facts) + genotype_html(run.genotype) + _weights(run)
    try:
        drawing = _drawn(cells_of_run(folder), f"The cells of {run.name}, as far as they are decided")
    except AutodasError:  # not a search, or an unreadable log: the facts suffice
        drawing = None
    return _facts(facts) + (_scrolling(drawing) if drawing else "") + _weights(run)


def _weights(run: Run) -> str:
    """Return the charts of the weights as an image, whose style does not affect the notebook."""
    try:
        drawing = weights_svg(run)
    except Exception:  # unexpected content must not prevent the rest
        drawing = None
    if drawing is None:
        return ""
    content = b64encode(drawing.encode()).decode("ascii")
    looks = 'alt="Weights of every edge" style="max-width:100%"'
    return f'<img {looks} src="data:image/svg+xml;base64,{content}">\n'


_RESULTS = (
    ("accuracies", "discrete"),
    *(("test", name) for name in ("top1", "video_top1", "map", "map50", "r2")),
)


def _results(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return the accuracies in a summary, or the mean average precision of a detector."""
    results = {}
    for part, name in _RESULTS:
        values = summary.get(part)
        if isinstance(values, Mapping) and isinstance(values.get(name), int | float):
            results[f"{name}, %"] = f"{values[name]:.2f}"
    return results


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


def _scrolling(drawing: str) -> str:
    return f'<div style="overflow-x:auto">{drawing}</div>\n'
