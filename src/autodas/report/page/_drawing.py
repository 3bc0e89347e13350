"""Drawings of the evolution with a fixed layout, in which a script only changes the looks of edges.

States are arranged in a row; an edge is an arch whose height increases with the number of states it spans.
So the label of every edge has its own place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from autodas.report.drawing._cells import DrawnCell
from autodas.report.drawing._colours import OPERATION_COLOURS, colour_of
from autodas.report.page._evolution import Evolution, Frame, Track
from autodas.report.page._html import escape, paragraph
from autodas.report.page._numbers import short

_LETTER, _STEP, _BOX, _HEIGHT = 6.1, 40, 46, 30
_LEAST = 0.78  # smallest scale of a drawing with legible letters


def draw_evolution(evolution: Evolution, prefix: str) -> str:
    """Return the drawings of all cells, with controls to step through the frames.

    Args:
        evolution: evolution to draw.
        prefix: prefix of all identifiers.
    """
    last = len(evolution.frames) - 1
    data = {
        "frames": [_frame(frame) for frame in evolution.frames],
        "colours": {name: colour_of(name) for name in _operations(evolution)},
    }
    # HTML escapes do not apply inside a script element, so "<", which could end it, is a JSON escape.
    plain = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    slider = slider_of(prefix)
    drawings = draw_tracks(evolution.tracks.values(), last, prefix)
    return (
        f'<div class="evolution"><script type="application/json">{plain}</script>\n'
        '<div class="controls">'
        '<button type="button" class="play" aria-pressed="false">Play</button>'
        '<button type="button" class="back" aria-label="One step back">◀</button>'
        f'<label for="{slider}">Step</label>'
        f'<input type="range" id="{slider}" aria-label="Step of the evolution" '
        f'min="0" max="{last}" value="{last}" step="1">'
        '<button type="button" class="forward" aria-label="One step forward">▶</button></div>\n'
        f'<output for="{slider}" class="moment" aria-live="polite">{escape(_told(evolution.frames[-1]))}'
        f"</output>\n{drawings}\n" + paragraph(_reading(evolution), "note") + "</div>"
    )


def _reading(evolution: Evolution) -> str:
    """Return how to read the drawings."""
    shapes = [track.shape for track in evolution.tracks.values()]
    told = []
    if not all(shape.graph for shape in shapes):
        told.append(
            "Boxes are feature maps: c[k-1] is the output of the cell before, c[k-2] that of the one before "
            "it, and a numbered box is the sum of its arrows."
        )
    if any(shape.graph for shape in shapes):
        told.append("The numbered boxes of a stage graph are whole cells.")
    told.append(
        "Dashed: undecided, with the leading operation in italics. Framed: decided in this step. Removed "
        "edges disappear. The arrow keys move the slider, too."
    )
    return " ".join(told)


def slider_of(prefix: str) -> str:
    """Return the identifier of the slider of an evolution."""
    return f"{prefix}slider"


def _operations(evolution: Evolution) -> list[str]:
    names = {
        change.operation
        for track in evolution.tracks.values()
        for changes in track.changes
        for change in changes
        if change.operation
    }
    return sorted(names, key=lambda name: (name not in OPERATION_COLOURS, name))


def _frame(frame: Frame) -> list[str | int]:
    return [frame.step, _told(frame)]


def _told(frame: Frame) -> str:
    when = [f"Iteration {frame.iteration}"]
    if frame.phase:
        when.append(f"phase “{frame.phase}”")
    if frame.epoch is not None:
        when.append(f"epoch {frame.epoch}")
    when.append(f"{frame.step} decision{'' if frame.step == 1 else 's'}")
    left = "" if frame.remaining is None else f" Remaining valid architectures: {short(frame.remaining)}."
    return f"{', '.join(when)}: {frame.text}{left}"


def draw_tracks(tracks: Iterable[Track], frame: int, prefix: str) -> str:
    """Return the drawings of cells, side by side as far as they fit.

    Args:
        tracks: cells to draw.
        frame: frame whose state is drawn.
        prefix: prefix of all identifiers.
    """
    tracks = list(tracks)
    least = max((_LEAST * _width(track) for track in tracks), default=0)
    drawings = "".join(_track(track, frame, prefix) for track in tracks)
    return f'<div class="cells" style="--least:{least:.0f}px">{drawings}</div>'


def _pill(track: Track) -> float:
    """Return the width of a label."""
    return max((len(name) for name in track.operations), default=8) * _LETTER + 12


def _centres(track: Track) -> list[float]:
    """Return the positions of the states, and of the output."""
    apart, count = _pill(track) + 14, track.shape.inputs + track.shape.nodes
    return [_BOX / 2 + 8 + apart * place for place in (*range(count), count - 0.4)]


def _width(track: Track) -> float:
    return _centres(track)[-1] + 40


def _track(track: Track, frame: int, prefix: str) -> str:
    shape, pill, xs, width = track.shape, _pill(track), _centres(track), _width(track)
    span = max((edge.state - edge.predecessor for edge in shape.edges), default=1)
    count = shape.inputs + shape.nodes
    # The second label of a duplicate edge is above the first.
    twice = len(shape.edges) - len({(edge.predecessor, edge.state) for edge in shape.edges})
    top = span * _STEP + 16 + (24 if twice else 0)
    height = top + _HEIGHT + 18 + 9 * (count - min(shape.concat, default=count) + 1)
    identifier = escape(f"{prefix}cell-{shape.kind}")
    parts = [
        f'<svg class="cell" viewBox="0 0 {width:.0f} {height:.0f}" style="min-width:{_LEAST * width:.0f}px;'
        f'max-width:{width * 1.1:.0f}px" role="img" aria-labelledby="{identifier}-title '
        f'{identifier}-description"><title id="{identifier}-title">{escape(shape.title)}</title>'
        f'<desc id="{identifier}-description">{escape(_described(track, frame))}</desc>'
    ]
    for state in shape.concat:
        depth = 16 + 9 * (count - state)
        bottom = top + _HEIGHT
        parts.append(
            f'<path class="concat" d="M{xs[state]:.0f} {bottom}C{xs[state]:.0f} {bottom + depth * 4 / 3:.0f} '
            f'{xs[-1]:.0f} {bottom + depth * 4 / 3:.0f} {xs[-1]:.0f} {bottom}"/>'
        )
    inset = 16 / max(1, span - 1)
    wires, labels = [], []
    seen: set[tuple[int, int]] = set()
    for edge, now, changes in zip(shape.edges, track.at(frame), track.changes, strict=True):
        predecessor, state = edge.predecessor, edge.state
        over = state - predecessor
        leave, arrive = xs[predecessor] + 18 - inset * (over - 1), xs[state] - 18 + inset * (over - 1)
        rise = over * _STEP + (24 if (predecessor, state) in seen else 0)
        seen.add((predecessor, state))
        high = top - rise * 4 / 3
        just = " just" if now.frame == frame and frame and now.state == "decided" else ""
        x, y = (leave + arrive) / 2, top - rise
        looks = f'class="edge {now.state}{just}" style="--operation:{colour_of(now.operation or None)}"'
        wires.append(
            f'<g {looks} data-edge="{predecessor} to {state}" data-changes="{escape(json.dumps(changes))}">'
            f'<path class="line" d="M{leave:.1f} {top}C{leave:.1f} {high:.1f} {arrive:.1f} {high:.1f} '
            f'{arrive:.1f} {top}"/><path class="head" d="M{arrive:.1f} {top}l-3.5-8h7z"/></g>'
        )
        labels.append(
            f'<g {looks}><rect x="{x - pill / 2:.1f}" y="{y - 10:.1f}" width="{pill:.1f}" height="20" '
            f'rx="10"/><text x="{x:.1f}" y="{y + 3.5:.1f}">{escape(now.operation)}</text></g>'
        )
    # Labels last, above all lines.
    parts.append(f'<g class="wires">{"".join(wires)}</g><g class="labels">{"".join(labels)}</g>')
    for state in range(count):
        role = "input" if state < shape.inputs else "node"
        parts.append(_box(xs[state], top, role, _label(shape, state)))
    parts.append(_box(xs[-1], top, "output", "output"))
    return (
        f'<figure><figcaption>{escape(shape.title)}</figcaption><div class="wide" tabindex="0" role="region" '
        f'aria-label="{escape(shape.title)}, drawing">{"".join(parts)}</svg></div></figure>'
    )


def _label(shape: DrawnCell, state: int) -> str:
    if state >= shape.inputs:
        return str(state)
    return f"in {state}" if shape.graph else f"c[k-{shape.inputs - state}]"


def _box(x: float, top: float, role: str, text: str) -> str:
    return (
        f'<g class="state {role}"><rect x="{x - _BOX / 2:.1f}" y="{top}" width="{_BOX}" '
        f'height="{_HEIGHT}" rx="7"/>'
        f'<text x="{x:.1f}" y="{top + 19}">{escape(text)}</text></g>'
    )


def _described(track: Track, frame: int) -> str:
    """Return a description of the drawing, in the same words as the script."""
    return "; ".join(
        f"{edge.predecessor} to {edge.state}: {now.operation if now.state == 'decided' else 'undecided'}"
        for edge, now in zip(track.shape.edges, track.at(frame), strict=True)
        if now.state != "removed"
    )
