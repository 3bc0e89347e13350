"""Chart of a distribution with strips of single values below it, as SVG with its numbers as CSV."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

from autodas.report.page._charts import Axis
from autodas.report.page._html import csv_link, escape

_WIDTH, _LEFT, _RIGHT = 640, 130, 16
_TOP, _BARS, _STRIP, _BOTTOM = 12, 110, 24, 46
_BINS = 60
_COLOURS = 6


def strip_chart(
    identifier: str,
    title: str,
    label: str,
    everything: Sequence[float],
    strips: Mapping[str, Mapping[str, float]],
) -> str:
    """Return a histogram of all values, with a row of marks for each group below it.

    The lowest values of the distribution are left out where no group has any: a few far below the rest would
    squeeze everything else. Their share is written at the left end.

    Args:
        identifier: identifier of the chart, and name of its CSV file.
        title: title of the chart.
        label: label of the horizontal axis.
        everything: all values, ascending.
        strips: for each group its values by name.
    """
    found = [value for group in strips.values() for value in group.values()]
    low, high = min([everything[len(everything) // 20], *found]), everything[-1]
    room = 0.02 * (high - low) or 1.0
    across = Axis(label, low - room, high + room, _LEFT, _WIDTH - _RIGHT)
    base = _TOP + _BARS
    height = base + _STRIP * len(strips) + _BOTTOM
    edges = [low + (high - low) * number / _BINS for number in range(_BINS + 1)]
    cuts = [bisect_left(everything, edge) for edge in edges[:-1]] + [len(everything)]
    counts = [after - before for before, after in pairwise(cuts)]
    bars = "".join(
        f'<path class="bars" d="M{across.place(left):.1f} {base}V{base - _BARS * count / max(counts):.1f}'
        f'H{across.place(right):.1f}V{base}z"/>'
        for count, (left, right) in zip(counts, pairwise(edges), strict=True)
    )
    grid = "".join(
        f'<path class="grid" d="M{x:.1f} {base}V{height - _BOTTOM + 4}"/>'
        f'<text class="tick" x="{x:.1f}" y="{height - _BOTTOM + 17}" text-anchor="middle">{text}</text>'
        for x, text in across.marks()
    )
    rows, marks = [], []
    for number, (group, values) in enumerate(strips.items()):
        y = base + _STRIP * (number + 0.5)
        marks.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(group)}</text>'
        )
        for name, value in values.items():
            tip = f"<title>{escape(f'{group}, {name}: {value:.2f}')}</title>"
            marks.append(
                f'<g class="marks s{number % _COLOURS}">{tip}'
                f'<circle cx="{across.place(value):.1f}" cy="{y:.1f}" r="5"/></g>'
            )
            rows.append((group, name, value, bisect_left(everything, value) / len(everything)))
    beyond = f"{100 * cuts[0] / len(everything):.0f} % are below {low:.4g}" if cuts[0] else ""
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    texts = (
        f'<text x="{middle}" y="{height - 8}" text-anchor="middle">{escape(label)}</text>'
        f'<text class="tick" x="{_LEFT}" y="{_TOP + 10}">{escape(beyond)}</text>'
        f'<text class="tick" x="{_LEFT - 8}" y="{base - 4}" text-anchor="end">all</text>'
    )
    description = f"{len(everything)} values from {everything[0]:.4g} to {high:.4g}; " + "; ".join(
        f"{group}: {', '.join(f'{value:.2f}' for value in values.values())}"
        for group, values in strips.items()
    )
    name = escape(identifier)
    return (
        f'<figure class="chart strips"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-description">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>{grid}{texts}{bars}{"".join(marks)}</svg>'
        + csv_link(f"{identifier}.csv", ["method", "run", label, "share of all below"], rows)
        + "</figure>"
    )
