"""Tables whose cells are shaded by size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from autodas.report.page._html import escape


class Shaded(NamedTuple):
    """Cell of a table.

    Attributes:
        text: its text.
        share: strength of its shade, in [0, 1].
        second: whether it has the second of two hues.
    """

    text: str
    share: float
    second: bool = False


def shaded_table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[Shaded]]], caption: str) -> str:
    """Return a table that scrolls horizontally if it is too wide.

    Args:
        head: names of the columns.
        rows: name and cells of each row.
        caption: caption, also for screen readers.
    """
    names = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_cell, cells))}</tr>' for name, cells in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="shaded">'
        f"<caption>{escape(caption)}</caption><thead><tr><td></td>{names}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def _cell(cell: Shaded) -> str:
    hue = "second" if cell.second else "first"
    return f'<td class="{hue}" style="--share:{100 * cell.share:.0f}%">{escape(cell.text)}</td>'
