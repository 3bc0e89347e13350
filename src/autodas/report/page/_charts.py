"""Charts as SVG: lines and points, each with its description and its numbers as CSV."""

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
_MANY = 80  # more points than that are drawn as a line without marks


class Series(NamedTuple):
    """One line.

    Args:
        name: what it is.
        points: x and y; where y is ``None`` or not finite there is no point.
    """

    name: str
    points: Sequence[tuple[float, float | None]]


class Dot(NamedTuple):
    """One point of a scatter chart.

    Args:
        group: its series.
        name: what it is, shown where the pointer rests on it.
        x: where.
        y: where.
        low: the lower end of its bar; equal to y where there is none.
        high: the upper end.
    """

    group: str
    name: str
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Axis:
    """One axis: from numbers to places.

    Args:
        label: what it counts.
        low, high: the numbers at its ends, after ``scale``.
        first, last: the places of its ends.
        log: whether it counts powers of ten.
    """

    label: str
    low: float
    high: float
    first: float
    last: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a number stands."""
        # math.log10 takes integers of any size, as counts of architectures are.
        scaled = math.log10(value) if self.log else value
        return self.first + (scaled - self.low) / (self.high - self.low) * (self.last - self.first)

    def marks(self) -> list[tuple[float, str]]:
        """Return places and texts of the ticks."""
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
    """Return a figure with lines; an empty text where there is nothing to draw.

    Of long lines the ends and the extremes of every stretch are drawn, and in its table.

    Args:
        identifier: of the figure, and the name of its CSV file.
        title: what it shows.
        x_label: what the horizontal axis counts.
        y_label: what the vertical axis counts.
        series: the lines.
        log: whether the vertical axis counts powers of ten; only positive numbers are drawn then.
        steps: whether a number holds until the next one.
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


def scatter_chart(identifier: str, title: str, x_label: str, y_label: str, dots: Sequence[Dot]) -> str:
    """Return a figure with points and their bars; an empty text where there is nothing to draw.

    Args:
        identifier: of the figure, and the name of its CSV file.
        title: what it shows.
        x_label: what the horizontal axis counts.
        y_label: what the vertical axis counts.
        dots: the points.
    """
    if not dots:
        return ""
    heights = [value for dot in dots for value in (dot.low, dot.high)]
    across, up = _axes(x_label, y_label, [dot.x for dot in dots], heights, False, 0.08)
    groups = list(dict.fromkeys(dot.group for dot in dots))
    drawn = []
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
    link = csv_link(f"{identifier}.csv", ["method", x_label, y_label, "low", "high"], rows)
    return _figure(
        identifier, title, description, across, up, "".join(drawn), list(enumerate(groups)), link, True
    )


def _shape(number: int, x: float, y: float) -> str:
    """Return a mark: its form tells the group, too, where colour does not."""
    if number % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    if number % 3 == 1:
        return f'<path d="M{x - 5:.1f} {y - 5:.1f}h10v10h-10z"/>'
    return f'<path d="M{x:.1f} {y - 6:.1f}l6 11h-12z"/>'


def _drawn(value: int | float, log: bool) -> bool:
    # Not infinite, not NaN; integers may be larger than any floating-point number.
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
    """Return an interval with room at its ends, and some where it would have no length."""
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
    """Return a row for each x, with a column for each line."""
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
