"""Phases of a search, marked in small charts over its iterations."""

from __future__ import annotations

from collections.abc import Sequence

from autodas.report.page._html import escape, paragraph
from autodas.runs.phases import PARTS, SearchPhase, Stretch

_LETTER, _LINE = 7.2, 14  # width and height of a letter in units of a chart

_MEANING = {
    PARTS["weights_only"]: "the architecture is not trained",
    PARTS["warmup"]: "nothing is decided yet",
    PARTS["settle"]: "everything is decided, and the weights are trained on",
}


def phase_marks(phases: Sequence[SearchPhase], last: int, width: int, height: int) -> str:
    """Return SVG for the background of a chart: a line where a phase begins, its name, and shaded parts.

    The parts of a single phase have their names, those of several phases are told by :func:`phase_note`.

    Args:
        phases: phases of the search that begin before the right edge.
        last: iteration at the right edge; what is beyond is left out.
        width, height: size of the chart.
    """

    def place(iteration: int) -> int:
        return round(min(iteration, last) / max(1, last) * width)

    parts = [part for each in phases for part in each.parts if part.first < last]
    shades = "".join(
        f'<path class="rest" d="M{place(part.first)} 0H{place(part.last)}V{height}H{place(part.first)}z"/>'
        for part in parts
    )
    lines = "".join(
        f'<path class="phase" d="M{place(each.whole.first)} 0V{height}"/>'
        for each in phases
        if each.whole.first
    )
    named = [each.whole for each in phases] if len(phases) > 1 else parts
    names = "".join(_name(part, place(part.first), place(part.last), height) for part in named)
    return shades + lines + names


def _name(part: Stretch, left: int, right: int, height: int) -> str:
    """Return the name of a part at its left end, upright if there is no room; nothing if it does not fit."""
    if len(part.name) * _LETTER + 6 <= right - left:
        where = f'x="{left + 4}" y="{_LINE}"'
    elif right - left >= _LINE and len(part.name) * _LETTER <= height:
        x = left + _LINE - 3
        where = f'transform="rotate(-90 {x} 4)" x="{x}" y="4" text-anchor="end"'
    else:
        return ""
    return f'<text class="name" {where}>{escape(part.name)}</text>'


def phase_note(phases: Sequence[SearchPhase]) -> str:
    """Return a sentence on lines and shades; an empty text if there are none."""
    told = []
    if len(phases) > 1:
        begins = [f"{whole.name} after iteration {whole.first}" for whole, _ in phases[1:]]
        told.append(
            f"Vertical lines: phases of the search ({phases[0].whole.name}, then {', '.join(begins)})."
        )
    names = dict.fromkeys(part.name for each in phases for part in each.parts)
    if names:
        told.append(f"Shaded: {'; '.join(f'{name} ({_MEANING[name]})' for name in names)}.")
    return paragraph(" ".join(told), "note") if told else ""
