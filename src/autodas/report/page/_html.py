"""HTML elements shared by all sections. Everything from outside passes through `escape`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from html import escape as _escape
from io import StringIO
from typing import Any
from urllib.parse import quote

from autodas.terminal import visible


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


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str) -> str:
    """Return a table that scrolls horizontally if it is too wide.

    Args:
        head: names of the columns.
        rows: cells of each row; numbers are right-aligned.
        caption: caption, also for screen readers.
    """
    rows = list(rows)
    right = [all(_number(row[i]) or row[i] is None for row in rows) for i in range(len(head))]
    names = "".join(
        f'<th scope="col"{" class=number" if number else ""}>{escape(name)}</th>'
        for name, number in zip(head, right, strict=True)
    )
    lines = "\n".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{lines}\n"
        "</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if value is None:
        return "<td class=number>–</td>"
    number = _number(value)
    text = f"{value:,}" if isinstance(value, int) and number else f"{value:.4g}" if number else str(value)
    return f"<td{' class=number' if number else ''}>{escape(text)}</td>"


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
