"""Line and scatter charts as SVG, each with a description and its numbers as CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autodas.report.page._html import csv_link, escape
from autodas.report.page._numbers import power, short, tick_text, ticks
from autodas.report.page._thinning import thinned

_WIDTH, _HEIGHT = 480, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 12, 46
_COLOURS = 6
_MANY = 80  # most points for which a line has marks, and of a description


class Series(NamedTuple):
    """Line of a chart.

    Args:
        name: name in the legend.
        points: pairs of x and y; those with y ``None`` or not finite are skipped.
    """

    name: str
    points: Sequence[tuple[float, float | None]]


class Dot(NamedTuple):
    """Point of a scatter chart.

    Args:
        group: name of its series.
        name: name shown as a tooltip.
        x: horizontal coordinate.
        y: vertical coordinate.
        low: lower end of its error bar; equal to y without one.
        high: upper end of its error bar.
    """

    group: str
    name: str
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Axis:
    """Axis, which maps numbers to positions.

    Args:
        label: axis label.
        low, high: numbers at its ends, as logarithms on a logarithmic axis.
        first, last: positions of its ends.
        log: whether it is logarithmic.
    """

    label: str
    low: float
    high: float
    first: float
    last: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return the position of a number."""
        # math.log10 accepts integers of any size, such as numbers of architectures.
        scaled = math.log10(value) if self.log else value
        return self.first + (scaled - self.low) / (self.high - self.low) * (self.last - self.first)

    def marks(self) -> list[tuple[float, str]]:
        """Return positions and labels of the ticks."""
        if self.log:
            step = max(1, round((self.high - self.low) / 6))
            exponents = range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1, step)
            return [(self._at(e), "1" if e == 0 else "10" if e == 1 else power(e)) for e in exponents]
        return [(self._at(value), tick_text(value)) for value in ticks(self.low, self.high)]

    def _at(self, scaled: float) -> float:
        return self.first + (scaled - self.low) / (self.high - self.low) * (self.last - self.first)


def line_chart(
    identifier: str,
    title: str,
    x_label: str,
    y_label: str,
    series: Sequence[Series],
    *,
    log: bool = False,
    steps: bool = False,
) -> str:
    """Return a line chart; an empty text if there is nothing to draw.

    Long lines are reduced to their ends and the extremes of every segment, in the chart and its CSV.

    Args:
        identifier: identifier of the chart, and name of its CSV file.
        title: title of the chart.
        x_label: label of the horizontal axis.
        y_label: label of the vertical axis.
        series: lines to draw.
        log: whether the vertical axis is logarithmic; only positive numbers are drawn then.
        steps: whether each value holds until the next one.
    """
    clean = [
        (number, each, [(x, y) for x, y in each.points if y is not None and _drawn(y, log)])
        for number, each in enumerate(series)
    ]
    clean = [(number, each, thinned(points)) for number, each, points in clean if points]
    if not clean:
        return ""
    kept = {x for _, _, points in clean for x, _ in points}
    places = [point for _, _, points in clean for point in points]
    across, up = _axes(x_label, y_label, [x for x, _ in places], [y for _, y in places], log)
    drawn = []
    for number, _, points in clean:
        corners = [(across.place(x), up.place(y)) for x, y in points]
        drawn.append(f'<path class="line s{number % _COLOURS}" d="{_path(corners, steps)}"/>')
        if len(corners) <= _MANY:
            circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>' for x, y in corners)
            drawn.append(f'<g class="marks s{number % _COLOURS}">{circles}</g>')
    description = "; ".join(
        f"{each.name}: from {_value(points[0][1])} at {_value(points[0][0])} to {_value(points[-1][1])} "
        f"at {_value(points[-1][0])}"
        for _, each, points in clean
    )
    names = [(number, each.name) for number, each, _ in clean]
    table = [row for row in _joined([each for _, each, _ in clean]) if row[0] in kept]
    link = csv_link(f"{identifier}.csv", [x_label, *(name for _, name in names)], table)
    return _figure(identifier, title, description, across, up, "".join(drawn), names, link)


def scatter_chart(
    identifier: str,
    title: str,
    x_label: str,
    y_label: str,
    dots: Sequence[Dot],
    *,
    what: str = "method",
    equal: bool = False,
) -> str:
    """Return a scatter chart with error bars; an empty text if there is nothing to draw.

    Args:
        identifier: identifier of the chart, and name of its CSV file.
        title: title of the chart.
        x_label: label of the horizontal axis.
        y_label: label of the vertical axis.
        dots: points to draw.
        what: what a point is, for the CSV file.
        equal: whether to draw a line where both coordinates are equal.
    """
    if not dots:
        return ""
    heights = [value for dot in dots for value in (dot.low, dot.high)]
    across, up = _axes(x_label, y_label, [dot.x for dot in dots], heights, False, 0.08)
    groups = list(dict.fromkeys(dot.group for dot in dots))
    drawn = [_diagonal(across, up)] if equal else []
    for dot in dots:
        number = groups.index(dot.group)
        x, y, tip = across.place(dot.x), up.place(dot.y), f"<title>{escape(dot.name)}</title>"
        bar = f"M{x:.1f} {up.place(dot.low):.1f}V{up.place(dot.high):.1f}"
        drawn.append(
            f'<g class="marks s{number % _COLOURS}">{tip}<path class="bar" d="{bar}"/>'
            f"{_shape(number, x, y)}</g>"
        )
    description = "; ".join(
        f"{dot.name}: {_value(dot.y)} {y_label} at {_value(dot.x)} {x_label}" for dot in dots
    )
    rows = [(dot.name, dot.x, dot.y, dot.low, dot.high) for dot in dots]
    link = csv_link(f"{identifier}.csv", [what, x_label, y_label, "low", "high"], rows)
    return _figure(
        identifier, title, description, across, up, "".join(drawn), list(enumerate(groups)), link, True
    )


def _diagonal(across: Axis, up: Axis) -> str:
    """Return the line on which both coordinates are equal; an empty text if no part of it is visible."""
    low, high = max(across.low, up.low), min(across.high, up.high)
    if low >= high:
        return ""
    start, end = ((across.place(value), up.place(value)) for value in (low, high))
    return f'<path class="grid" d="M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"/>'


def _shape(number: int, x: float, y: float) -> str:
    """Return a mark whose shape identifies the group without colour."""
    if number % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    if number % 3 == 1:
        return f'<path d="M{x - 5:.1f} {y - 5:.1f}h10v10h-10z"/>'
    return f'<path d="M{x:.1f} {y - 6:.1f}l6 11h-12z"/>'


def _drawn(value: int | float, log: bool) -> bool:
    # Neither infinite nor NaN; integers may exceed the range of floats.
    return (isinstance(value, int) or math.isfinite(value)) and (value > 0 or not log)


def _axes(
    x_label: str, y_label: str, xs: Sequence[float], ys: Sequence[float], log: bool, room: float = 0.0
) -> tuple[Axis, Axis]:
    scale: Callable[[float], float] = math.log10 if log else float
    left, right = _widened(min(xs), max(xs), room)
    low, high = _widened(scale(min(ys)), scale(max(ys)), 0.0 if log else 0.04)
    return (
        Axis(x_label, left, right, _LEFT, _WIDTH - _RIGHT),
        Axis(y_label, low, high, _HEIGHT - _BOTTOM, _TOP, log),
    )


def _widened(low: float, high: float, share: float) -> tuple[float, float]:
    """Return an interval widened at both ends, also if its length is zero."""
    if high - low < 1e-12 * max(1.0, abs(low)):
        room = abs(low) * 0.1 or 1.0
        return low - room, low + room
    return low - share * (high - low), high + share * (high - low)


def _path(corners: Sequence[tuple[float, float]], steps: bool) -> str:
    parts = [f"M{corners[0][0]:.1f} {corners[0][1]:.1f}"]
    for x, y in corners[1:]:
        parts.append(f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}")
    return "".join(parts)


def _value(value: float) -> str:
    if isinstance(value, int) and value > 0:
        return short(value)
    return f"{value:.4g}"


def _joined(series: Sequence[Series]) -> list[list[float | None]]:
    """Return a row for each x with a column for each line."""
    columns = [dict(each.points) for each in series]
    xs = sorted({x for column in columns for x in column})
    return [[x, *(column.get(x) for column in columns)] for x in xs]


def _figure(
    identifier: str,
    title: str,
    description: str,
    across: Axis,
    up: Axis,
    drawn: str,
    names: Sequence[tuple[int, str]],
    link: str,
    shapes: bool = False,
) -> str:
    name = escape(identifier)
    bottom = _HEIGHT - _BOTTOM
    grid = "".join(
        f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        for y, text in up.marks()
    ) + "".join(
        f'<path class="grid" d="M{x:.1f} {bottom}v4"/>'
        f'<text class="tick" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{text}</text>'
        for x, text in across.marks()
    )
    middle = (_TOP + bottom) / 2
    labels = (
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f'{escape(across.label)}</text><text x="13" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 13 {middle})">{escape(up.label)}</text>'
    )
    samples = "".join(
        '<li><svg viewBox="0 0 26 12" aria-hidden="true" class="sample">'
        + (
            f'<g class="marks s{number % _COLOURS}">{_shape(number, 13, 6)}</g>'
            if shapes
            else f'<path class="line s{number % _COLOURS}" d="M0 6H26"/>'
        )
        + f"</svg>{escape(text)}</li>"
        for number, text in names
    )
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption><ul class="legend">{samples}</ul>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="{name}-title {name}-description">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>{grid}{labels}{drawn}</svg>'
        f"{link}</figure>"
    )
