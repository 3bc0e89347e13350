"""Small charts of alpha and beta, one for each edge, as parts of SVG with the class names of pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from autodas.report.drawing._colours import colour_of
from autodas.report.page._evolution import Track, evolution_of
from autodas.report.page._phases import phase_marks
from autodas.report.page._thinning import some_of
from autodas.runs.events import Architecture
from autodas.runs.phases import SearchPhase, phases_of
from autodas.runs.reading import Run

WIDTH, HEIGHT = 200, 90
_MANY = 200  # most states of the weights in a chart, limited by its width in pixels

Snapshot = tuple[int, Mapping[str, Any]]
"""Iteration, and the tables of a kind of cell: ``alpha`` and ``beta``."""


class KindOfWeights(NamedTuple):
    """Weights of all edges of a kind of cell over time.

    Attributes:
        track: the cell.
        rows: states of its weights.
        peak: largest alpha.
        last: last iteration with weights of any kind.
        phases: phases of the search that begin before it.
    """

    track: Track
    rows: list[Snapshot]
    peak: float
    last: int
    phases: list[SearchPhase]


def weights_of(run: Run) -> Iterator[KindOfWeights]:
    """Yield the weights of each kind of cell that has at least two states of them."""
    snapshots = [(event.iteration, event.weights) for event in run.events_of(Architecture) if event.weights]
    snapshots = some_of(snapshots, _MANY)
    last = snapshots[-1][0] if snapshots else 0
    phases = [phase for phase in phases_of(run.start) if phase.whole.first < last]
    for kind, track in evolution_of(run).tracks.items():
        # A single state of the weights is not a curve.
        rows = [(iteration, weights[kind]) for iteration, weights in snapshots if weights.get(kind)]
        if len(rows) > 1:
            alphas = (w for _, row in rows for edge in row["alpha"] if edge for w in edge if w is not None)
            yield KindOfWeights(track, rows, max(alphas, default=1.0), last, phases)


class Chart(NamedTuple):
    """Chart of an edge.

    Attributes:
        edge: the edge, ``0 → 2``.
        end: what became of it.
        drawn: SVG of size :data:`WIDTH` x :data:`HEIGHT`.
    """

    edge: str
    end: str
    drawn: str


def charts_of(weights: KindOfWeights) -> list[Chart]:
    """Return the charts of all edges of a kind of cell."""
    marks = phase_marks(weights.phases, weights.last, WIDTH, HEIGHT)
    return [_chart(weights, number, marks) for number in range(len(weights.track.shape.edges))]


def _chart(weights: KindOfWeights, number: int, background: str) -> Chart:
    track, rows, peak, last, _ = weights
    edge, changes = track.shape.edges[number], track.changes[number]
    lines = []
    for column, name in enumerate(track.operations):
        path = _path([(t, entry(entry(row["alpha"], number), column)) for t, row in rows], peak, last)
        if path:
            lines.append(f'<path class="line" style="--operation:{colour_of(name)}" d="{path}"/>')
    path = _path([(t, entry(row.get("beta"), number)) for t, row in rows], 1.0, last)
    if path:
        lines.append(f'<path class="beta" d="{path}"/>')
    states = [change.operation for change in changes if change.state == "decided"]
    states += ["removed" for change in changes if change.state == "removed"]
    frame = f'<path class="frame" d="M0 0H{WIDTH}V{HEIGHT}H0z"/>'
    return Chart(
        f"{edge.predecessor} → {edge.state}",
        ", ".join(states) or "undecided",
        f'{frame}{background}<g class="edge">{"".join(lines)}</g>',
    )


def entry(values: Any, place: int) -> Any:
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
        x, y = round(iteration / max(1, last) * WIDTH), round((1 - value / (peak or 1)) * HEIGHT)
        if previous is None:
            parts.append(f"M{x} {y}")
        elif (x, y) != previous:
            parts.append(f"l{x - previous[0]} {y - previous[1]}")
        previous = x, y
    return "".join(parts)
