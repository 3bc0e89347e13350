"""Alpha and beta over time: one small chart per edge."""

from __future__ import annotations

from autodas.report.drawing._colours import colour_of
from autodas.report.page._html import csv_link, escape, paragraph
from autodas.report.page._phases import phase_note
from autodas.report.page._weight_charts import (
    HEIGHT,
    WIDTH,
    Chart,
    KindOfWeights,
    charts_of,
    entry,
    weights_of,
)
from autodas.runs.reading import Run


def draw_weights(run: Run, prefix: str) -> str:
    """Return small charts of all edges; an empty text if no weights were logged.

    Args:
        run: run of a search.
        prefix: prefix of all identifiers.
    """
    kinds = list(weights_of(run))
    if not kinds:
        return ""
    parts = []
    for weights in kinds:
        shape = weights.track.shape
        title = f"{shape.title}; height of a chart: alpha {weights.peak:.2g}, beta 1"
        charts = "".join(map(_figure, charts_of(weights)))
        link = _csv(f"{prefix}weights-{shape.kind}.csv", weights)
        parts.append(f'<div><h3>{escape(title)}</h3><div class="edges">{charts}</div>{link}</div>')
    legend = "".join(
        f'<li style="--operation:{colour_of(name)}" class="edge"><svg viewBox="0 0 26 12" class="sample" '
        f'aria-hidden="true"><path class="line" d="M0 6H26"/></svg>{escape(name)}</li>'
        for name in dict.fromkeys(name for weights in kinds for name in weights.track.operations)
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
        + phase_note(kinds[0].phases)
        + f'<ul class="legend">{legend}<li>{dashes}beta</li></ul>'
        + f'<div class="kinds">{"".join(parts)}</div>'
    )


def _figure(chart: Chart) -> str:
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Weights of edge {chart.edge}: '
        f'{escape(chart.end)}">{chart.drawn}</svg>'
        f"<figcaption>{chart.edge} <span>{escape(chart.end)}</span></figcaption></figure>"
    )


def _csv(file: str, weights: KindOfWeights) -> str:
    track = weights.track
    head = ["iteration", "predecessor", "state", "beta", *track.operations]
    lines = [
        [iteration, edge.predecessor, edge.state, entry(row.get("beta"), number)]
        + [entry(entry(row["alpha"], number), column) for column in range(len(track.operations))]
        for iteration, row in weights.rows
        for number, edge in enumerate(track.shape.edges)
        if entry(row["alpha"], number) is not None or entry(row.get("beta"), number) is not None
    ]
    return csv_link(file, head, lines)
