"""Charts of alpha and beta as one SVG document, for notebooks."""

from __future__ import annotations

import re

from autodas.report.drawing._colours import colour_of
from autodas.report.page._html import escape
from autodas.report.page._standalone import light_colours
from autodas.report.page._weight_charts import HEIGHT, WIDTH, charts_of, weights_of
from autodas.runs.reading import Run

_COLUMNS, _GAP, _LINE, _LETTER = 5, 12, 20, 7.5


def weights_svg(run: Run) -> str | None:
    """Return the charts of all edges, in the light colours of pages; ``None`` if no weights were logged.

    Args:
        run: run of a search.
    """
    kinds = list(weights_of(run))
    if not kinds:
        return None
    names = dict.fromkeys(name for weights in kinds for name in weights.track.operations)
    legend, y = _legend(list(names))
    parts = [legend]
    for weights in kinds:
        y += 2 * _LINE
        parts.append(f'<text class="title" x="0" y="{y - 8}">{escape(weights.track.shape.title)}</text>')
        charts = charts_of(weights)
        for number, chart in enumerate(charts):
            row, column = divmod(number, _COLUMNS)
            left, top = column * (WIDTH + _GAP), y + row * (HEIGHT + 2 * _LINE)
            parts.append(
                f'<g transform="translate({left} {top})">{chart.drawn}'
                f'<text y="{HEIGHT + 15}">{chart.edge} {escape(chart.end)}</text></g>'
            )
        y += -(-len(charts) // _COLUMNS) * (HEIGHT + 2 * _LINE)
    # Not all programs that show SVG know variables of style sheets.
    drawn = re.sub(r'style="--operation:(#\w+)"', r'stroke="\1"', "".join(parts))
    width = _COLUMNS * (WIDTH + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-_GAP} {-_GAP} {width + _GAP} {y + _GAP}" '
        f'width="{width + _GAP}" height="{y + _GAP}"><style>{_style()}</style><rect x="{-_GAP}" y="{-_GAP}" '
        f'width="100%" height="100%" fill="white"/>{drawn}</svg>'
    )


def _legend(names: list[str]) -> tuple[str, int]:
    """Return samples of the lines with their names, in rows, and the height of these rows."""
    parts, x, y = [], 0.0, _LINE
    samples = [(name, f'class="line" stroke="{colour_of(name)}"') for name in names]
    for name, looks in [*samples, ("beta", 'class="beta"')]:
        if x and x + 50 + _LETTER * len(name) > _COLUMNS * (WIDTH + _GAP):
            x, y = 0.0, y + _LINE
        parts.append(
            f'<path {looks} d="M{x:.0f} {y - 4}h26"/><text x="{x + 32:.0f}" y="{y}">{escape(name)}</text>'
        )
        x += 50 + _LETTER * len(name)
    return "".join(parts), y


def _style() -> str:
    """Return the rules of the page for these charts, with the light colours in place of variables."""
    ink, pale, rule, raised = (light_colours()[name] for name in ("ink", "pale", "rule", "raised"))
    return (
        f"text {{ font: 13px sans-serif; fill: {ink}; }} .title {{ font-weight: 600; }} "
        f".name {{ fill: {pale}; }} .line, .beta {{ fill: none; stroke-width: 1.5; }} "
        f".beta {{ stroke: {pale}; stroke-dasharray: 4 3; }} .phase {{ stroke: {pale}; }} "
        f".rest {{ fill: {rule}; opacity: 0.7; }} .frame {{ fill: {raised}; stroke: {rule}; }}"
    )
