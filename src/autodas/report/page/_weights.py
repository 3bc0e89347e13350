"""Alpha and beta over time: one small chart per edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autodas.report.drawing._colours import colour_of
from autodas.report.page._evolution import Track, evolution_of
from autodas.report.page._html import csv_link, escape, paragraph
from autodas.report.page._phases import phase_marks, phase_note
from autodas.report.page._thinning import some_of
from autodas.runs.events import Architecture
from autodas.runs.phases import phases_of
from autodas.runs.reading import Run

_WIDTH, _HEIGHT = 200, 90
_MANY = 200  # most states of the weights in a chart, limited by its width in pixels

_Snapshot = tuple[int, Mapping[str, Any]]


def draw_weights(run: Run, prefix: str) -> str:
    """Return small charts of all edges; an empty text if no weights were logged.

    Args:
        run: run of a search.
        prefix: prefix of all identifiers.
    """
    snapshots = [(event.iteration, event.weights) for event in run.events_of(Architecture) if event.weights]
    snapshots = some_of(snapshots, _MANY)
    phases = phases_of(run.start)
    tracks = evolution_of(run).tracks
    parts: list[str] = []
    used: set[str] = set()
    for kind, track in tracks.items():
        # Skip searches with a single state of the weights, which is not a curve.
        rows = [(iteration, weights[kind]) for iteration, weights in snapshots if weights.get(kind)]
        if len(rows) < 2:
            continue
        used.update(track.operations)
        peak = max(
            (w for _, row in rows for edge in row["alpha"] if edge for w in edge if w is not None),
            default=1.0,
        )
        last = snapshots[-1][0]
        marks = phase_marks(phases, last, _WIDTH, _HEIGHT)
        charts = "".join(
            _chart(track, number, rows, peak, last, marks) for number in range(len(track.shape.edges))
        )
        title = f"{track.shape.title}; height of a chart: alpha {peak:.2g}, beta 1"
        link = _csv(f"{prefix}weights-{kind}.csv", track, rows)
        parts.append(f'<div><h3>{escape(title)}</h3><div class="edges">{charts}</div>{link}</div>')
    if not parts:
        return ""
    legend = "".join(
        f'<li style="--operation:{colour_of(name)}" class="edge"><svg viewBox="0 0 26 12" class="sample" '
        f'aria-hidden="true"><path class="line" d="M0 6H26"/></svg>{escape(name)}</li>'
        for name in dict.fromkeys(name for track in tracks.values() for name in track.operations)
        if name in used
    )
    dashes = (
        '<svg viewBox="0 0 26 12" class="sample" aria-hidden="true"><path class="beta" d="M0 6H26"/></svg>'
    )
    return (
        paragraph(
            "Lines: mixing weights of the operations over the iterations, until the edge is decided. Dashed: "
            "weight of the edge itself, beta.",
            "note",
        )
        + phase_note(phases)
        + f'<ul class="legend">{legend}<li>{dashes}beta</li></ul>'
        + f'<div class="kinds">{"".join(parts)}</div>'
    )


def _chart(
    track: Track, number: int, rows: Sequence[_Snapshot], peak: float, last: int, background: str
) -> str:
    edge, changes = track.shape.edges[number], track.changes[number]
    lines = []
    for column, name in enumerate(track.operations):
        points = [(t, _entry(_entry(row["alpha"], number), column)) for t, row in rows]
        path = _path(points, peak, last)
        if path:
            lines.append(f'<path class="line" style="--operation:{colour_of(name)}" d="{path}"/>')
    betas = [(t, _entry(row.get("beta"), number)) for t, row in rows]
    path = _path(betas, 1.0, last)
    if path:
        lines.append(f'<path class="beta" d="{path}"/>')
    states = [f"{change.operation}" for change in changes if change.state == "decided"]
    states += ["removed" for change in changes if change.state == "removed"]
    end = ", ".join(states) or "undecided"
    name = f"{edge.predecessor} → {edge.state}"
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Weights of edge {name}: '
        f'{escape(end)}"><path class="frame" d="M0 0H{_WIDTH}V{_HEIGHT}H0z"/>'
        f'{background}<g class="edge">{"".join(lines)}</g></svg>'
        f"<figcaption>{name} <span>{escape(end)}</span></figcaption></figure>"
    )


def _entry(values: Any, place: int) -> Any:
    """Return an entry of a list, ``None`` if it is missing."""
    return values[place] if isinstance(values, list) and place < len(values) else None


def _path(points: Sequence[tuple[int, float | None]], peak: float, last: int) -> str:
    """Return a line with gaps at missing values; integer coordinates keep it small."""
    parts: list[str] = []
    previous: tuple[int, int] | None = None
    for iteration, value in points:
        if value is None:
            previous = None
            continue
        x, y = round(iteration / max(1, last) * _WIDTH), round((1 - value / (peak or 1)) * _HEIGHT)
        if previous is None:
            parts.append(f"M{x} {y}")
        elif (x, y) != previous:
            parts.append(f"l{x - previous[0]} {y - previous[1]}")
        previous = x, y
    return "".join(parts)


def _csv(file: str, track: Track, rows: Sequence[_Snapshot]) -> str:
    head = ["iteration", "predecessor", "state", "beta", *track.operations]
    lines = [
        [iteration, edge.predecessor, edge.state, _entry(row.get("beta"), number)]
        + [_entry(_entry(row["alpha"], number), column) for column in range(len(track.operations))]
        for iteration, row in rows
        for number, edge in enumerate(track.shape.edges)
        if _entry(row["alpha"], number) is not None or _entry(row.get("beta"), number) is not None
    ]
    return csv_link(file, head, lines)
