"""The evolution as pictures that stay where they are: a script only changes what each edge looks like.

States stand in a row; an edge is an arch, the higher the more states it spans. So every edge has a place for its
label that no other edge has.
"""

from __future__ import annotations

import json

from autodas.report._colours import OPERATION_COLOURS, colour_of
from autodas.report.page._evolution import Evolution, Frame, Track
from autodas.report.page._html import escape, paragraph
from autodas.report.page._numbers import short

_LETTER, _STEP, _BOX, _HEIGHT = 6.1, 40, 46, 30


def draw_evolution(evolution: Evolution, prefix: str) -> str:
    """Return the drawings of all cells, and what moves them through the frames.

    Args:
        evolution: what to draw.
        prefix: begins every identifier.
    """
    last = len(evolution.frames) - 1
    data = {
        "frames": [_frame(frame) for frame in evolution.frames],
        "colours": {name: colour_of(name) for name in _operations(evolution)},
    }
    # Inside a script element nothing is escaped; what could end it is written in another way.
    plain = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    slider = f"{prefix}slider"
    drawings = "\n".join(_drawing(track, last, prefix) for track in evolution.tracks.values())
    return (
        f'<div class="evolution"><script type="application/json">{plain}</script>\n'
        '<div class="controls">'
        '<button type="button" class="play" aria-pressed="false">Play</button>'
        '<button type="button" class="back" aria-label="One step back">◀</button>'
        f'<label for="{slider}">Step</label>'
        f'<input type="range" id="{slider}" min="0" max="{last}" value="{last}" step="1">'
        '<button type="button" class="forward" aria-label="One step forward">▶</button></div>\n'
        f'<output for="{slider}" class="moment" aria-live="polite">{escape(_told(evolution.frames[-1]))}'
        f"</output>\n{drawings}\n"
        + paragraph(
            "Dashed: not decided yet; the name in italics is the operation that leads. Framed: decided in this "
            "step. Edges that lost disappear. The slider moves with the arrow keys, too.",
            "note",
        )
        + "</div>"
    )


def _operations(evolution: Evolution) -> list[str]:
    names = {
        change.operation
        for track in evolution.tracks.values()
        for changes in track.edges
        for change in changes
        if change.operation
    }
    return sorted(names, key=lambda name: (name not in OPERATION_COLOURS, name))


def _frame(frame: Frame) -> list[str | int]:
    return [frame.step, _told(frame)]


def _told(frame: Frame) -> str:
    when = f"iteration {frame.iteration}" + ("" if frame.epoch is None else f", epoch {frame.epoch}")
    left = "" if frame.remaining is None else f" {short(frame.remaining)} valid architectures remain."
    return f"{when}, {frame.step} decisions: {frame.text}{left}"


def _drawing(track: Track, frame: int, prefix: str) -> str:
    space = track.space
    longest = max((len(name) for name in space.operations), default=8)
    pill = longest * _LETTER + 12
    apart = pill + 14
    span = max((state - predecessor for predecessor, state in space.edges), default=1)
    count = space.inputs + space.nodes
    top = span * _STEP + 16
    xs = [_BOX / 2 + 8 + apart * state for state in range(count)] + [_BOX / 2 + 8 + apart * (count - 0.4)]
    width, height = xs[-1] + 40, top + _HEIGHT + 18 + 9 * (count - space.concat[0] + 1)
    name = f"{track.kind} {'graph' if track.graph else 'cell'}"
    identifier = f"{prefix}cell-{track.kind}"
    parts = [
        f'<svg class="cell" viewBox="0 0 {width:.0f} {height:.0f}" style="min-width:{width * 0.78:.0f}px;'
        f'max-width:{width * 1.1:.0f}px" role="img" aria-labelledby="{escape(identifier)}-title '
        f'{escape(identifier)}-description"><title id="{escape(identifier)}-title">{escape(name)}</title>'
        f'<desc id="{escape(identifier)}-description">{escape(_described(track, frame))}</desc>'
    ]
    for state in space.concat:
        depth = 16 + 9 * (count - state)
        bottom = top + _HEIGHT
        parts.append(
            f'<path class="concat" d="M{xs[state]:.0f} {bottom}C{xs[state]:.0f} {bottom + depth * 4 / 3:.0f} '
            f'{xs[-1]:.0f} {bottom + depth * 4 / 3:.0f} {xs[-1]:.0f} {bottom}"/>'
        )
    inset = 16 / max(1, span - 1)
    for (predecessor, state), changes in zip(space.edges, track.edges, strict=True):
        over = state - predecessor
        leave, arrive = xs[predecessor] + 18 - inset * (over - 1), xs[state] - 18 + inset * (over - 1)
        high = top - over * _STEP * 4 / 3
        now = next(change for change in reversed(changes) if change.frame <= frame)
        just = " just" if now.frame == frame and frame and now.state == "decided" else ""
        x, y = (leave + arrive) / 2, top - over * _STEP
        parts.append(
            f'<g class="edge {now.state}{just}" style="--operation:{colour_of(now.operation or None)}" '
            f'data-edge="{predecessor} to {state}" data-changes="{escape(json.dumps(changes))}">'
            f'<path class="line" d="M{leave:.1f} {top}C{leave:.1f} {high:.1f} {arrive:.1f} {high:.1f} '
            f'{arrive:.1f} {top}"/><path class="head" d="M{arrive:.1f} {top}l-3.5-8h7z"/>'
            f'<rect x="{x - pill / 2:.1f}" y="{y - 10:.1f}" width="{pill:.1f}" height="20" rx="10"/>'
            f'<text x="{x:.1f}" y="{y + 3.5:.1f}">{escape(now.operation)}</text></g>'
        )
    for state in range(count):
        role = "input" if state < space.inputs else "node"
        parts.append(_box(xs[state], top, role, _label(track, state)))
    parts.append(_box(xs[-1], top, "output", "output"))
    return (
        f'<figure><figcaption>{escape(name)}</figcaption><div class="wide" tabindex="0" role="region" '
        f'aria-label="{escape(name)}, drawing">{"".join(parts)}</svg></div></figure>'
    )


def _label(track: Track, state: int) -> str:
    if state >= track.space.inputs:
        return str(state)
    return f"in {state}" if track.graph else f"c[k-{track.space.inputs - state}]"


def _box(x: float, top: float, role: str, text: str) -> str:
    return (
        f'<g class="state {role}"><rect x="{x - _BOX / 2:.1f}" y="{top}" width="{_BOX}" height="{_HEIGHT}" rx="7"/>'
        f'<text x="{x:.1f}" y="{top + 19}">{escape(text)}</text></g>'
    )


def _described(track: Track, frame: int) -> str:
    """Return the drawing in words, as the script says it, too."""
    told = []
    for (predecessor, state), changes in zip(track.space.edges, track.edges, strict=True):
        now = next(change for change in reversed(changes) if change.frame <= frame)
        if now.state != "removed":
            told.append(
                f"{predecessor} to {state}: {now.operation if now.state == 'decided' else 'undecided'}"
            )
    return "; ".join(told)
