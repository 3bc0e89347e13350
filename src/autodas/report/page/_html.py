"""HTML elements shared by all sections. Everything from outside passes through `escape`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from html import escape as _escape
from io import StringIO
from typing import Any, NamedTuple
from urllib.parse import quote

from autodas.terminal import visible

_LEADING_NUMBER = re.compile(r"([-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)(?: ±.*| %)?", re.IGNORECASE)
"""Text that is sorted as a number: ``1,234``, ``95.2 ± 0.3``, ``12 %``."""


class FrameLink(NamedTuple):
    """Cell of a table: a link that moves a slider to a frame of an evolution.

    Attributes:
        text: text of the link.
        slider: identifier of the slider.
        frame: number of the frame.
    """

    text: str
    slider: str
    frame: int


def escape(content: Any) -> str:
    """Return anything as text that is safe in HTML, including attributes.

    Marks of writing direction and characters that UTF-8 cannot encode are replaced by visible escapes.
    """
    return _escape(visible(str(content)), quote=True)


def section(identifier: str, title: str, *content: str) -> str:
    """Return a section with a heading; an empty text without content.

    Args:
        identifier: target of links to the section.
        title: heading as plain text.
        content: HTML.
    """
    body = "\n".join(filter(None, content))
    if not body:
        return ""
    return f'<section id="{escape(identifier)}">\n<h2>{escape(title)}</h2>\n{body}\n</section>\n'


def paragraph(text: str, name: str = "") -> str:
    """Return a paragraph of plain text, with an optional class name."""
    return f"<p{f' class={name}' if name else ''}>{escape(text)}</p>"


def items(texts: Iterable[str]) -> str:
    """Return a list of plain texts."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, *, sortable: bool = False) -> str:
    """Return a table that scrolls horizontally if it is too wide.

    Args:
        head: names of the columns.
        rows: cells of each row: numbers, which are right-aligned, texts, links, and ``None`` for missing
            values.
        caption: caption, also for screen readers.
        sortable: whether a reader with scripts can sort the rows by a column: by numbers if every value of
            the column is or begins with one, otherwise by text.
    """
    rows = list(rows)
    right = [all(_number(row[i]) or row[i] is None for row in rows) for i in range(len(head))]
    names = "".join(
        f'<th scope="col"{" class=number" if number else ""}>{escape(name)}</th>'
        for name, number in zip(head, right, strict=True)
    )
    lines = "\n".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table{' class=sortable' if sortable else ''}>"
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{lines}\n"
        "</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if value is None:
        return "<td class=number>–</td>"
    if isinstance(value, FrameLink):
        return (
            f'<td><a href="#{escape(value.slider)}" data-frame="{value.frame}">{escape(value.text)}</a></td>'
        )
    number = _number(value)
    text = f"{value:,}" if isinstance(value, int) and number else f"{value:.4g}" if number else str(value)
    leading = value if number else _leading_number(text)
    order = "" if leading is None else f' data-number="{leading}"'
    return f"<td{' class=number' if number else ''}{order}>{escape(text)}</td>"


def _leading_number(text: str) -> float | None:
    found = _LEADING_NUMBER.fullmatch(text)
    return float(found[1].replace(",", "")) if found else None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def csv_link(file: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a link that contains a table of numbers and downloads it.

    Args:
        file: name of the downloaded file.
        head: names of the columns.
        rows: numbers of each row; ``None`` becomes an empty cell.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    content = quote(text.getvalue(), safe=",.-+:;/", errors="replace")
    return (
        f'<a class="download" download="{escape(file)}" href="data:text/csv;charset=utf-8,{content}">'
        f"{escape(file)}</a>"
    )


def folded(title: str, *content: str, opened: bool = False) -> str:
    """Return collapsible content with a title."""
    body = "\n".join(filter(None, content))
    return f"<details{' open' if opened else ''}><summary>{escape(title)}</summary>\n{body}\n</details>"
