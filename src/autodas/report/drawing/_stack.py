"""Several drawings in one SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

_LINE = 26
_FONT = "Helvetica,Arial,sans-serif"


def stacked(drawings: Sequence[str], lines: Sequence[str] = (), *, description: str = "") -> str:
    """Return SVG drawings stacked vertically as one SVG element.

    Args:
        drawings: SVG elements that begin with their width and height, as returned by :func:`render_svg`.
        lines: lines of text below the drawings.
        description: description of the drawing for screen readers.
    """
    sizes = [_size(drawing) for drawing in drawings]
    width = max((width for width, _ in sizes), default=0.0)
    height = sum(height for _, height in sizes) + _LINE * len(lines) + (_LINE / 2 if lines else 0)
    parts = [
        f'<svg width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img">',
        f"<title>{escape(description)}</title>" if description else "",
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
    ]
    y = 0.0
    for drawing, (_, own) in zip(drawings, sizes, strict=True):
        parts.append(drawing.replace("<svg", f'<svg y="{y:g}"', 1))
        y += own
    for line in lines:
        y += _LINE
        parts.append(
            f'<text x="16" y="{y - 4:g}" font-family="{_FONT}" font-size="15" fill="#222">'
            f"{escape(line)}</text>"
        )
    return "\n".join([*filter(None, parts), "</svg>"])


def _size(drawing: str) -> tuple[float, float]:
    match = re.match(r'<svg width="([\d.]+)" height="([\d.]+)"', drawing)
    if match is None:
        raise ValueError("expected an SVG element that begins with its width and height")
    return float(match[1]), float(match[2])
