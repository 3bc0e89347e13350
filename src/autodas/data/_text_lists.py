"""Lists that people write or hand out: lines of text, and CSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, read_text

LARGEST = 256 * MEBIBYTE
"""Bytes of a list."""


class Header(NamedTuple):
    """The line of a CSV file that names its columns, in lower case."""

    line: int
    names: list[str]


def read_lines(path: Path, *, comments: bool = True) -> list[tuple[int, str]]:
    """Return the lines of a text file with their numbers from 1, stripped, without blank ones.

    Args:
        path: the file.
        comments: whether lines that begin with ``#`` are skipped.

    Raises:
        AutodasError: if it is no UTF-8 text.
    """
    numbered = ((number, line.strip()) for number, line in enumerate(_text(path).splitlines(), 1))
    return [(number, line) for number, line in numbered if line and not (comments and line[0] == "#")]


def read_table(path: Path, columns: Sequence[Sequence[str]]) -> list[tuple[int, list[str | None]]]:
    """Return rows of a CSV file, with their line numbers, in the order of the wanted columns.

    Args:
        path: the file.
        columns: the names that each column may have, the preferred first. The last name may be empty: then
            a column that is not there is ``None`` in all rows.

    Raises:
        AutodasError: if a column is missing or a row has not as many columns as the header.
    """
    header, rows = read_rows(path)
    if header is None:
        return []
    chosen = [choose_column(path, header, names) for names in columns]
    return [(line, [None if i is None else values[i] for i in chosen]) for line, values in rows]


def read_rows(path: Path) -> tuple[Header | None, list[tuple[int, list[str]]]]:
    """Return the header of a CSV file, ``None`` if nothing is in it, and its rows with their line numbers.

    Raises:
        AutodasError: if a row has not as many columns as the header.
    """
    # Comments become blank lines, so that lines are still counted.
    lines = ["" if line.startswith("#") else line for line in _text(path).splitlines()]
    reader = csv.reader(lines)
    header: Header | None = None
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if not any(values):
                continue
            if header is None:
                header = Header(reader.line_num, [value.lower() for value in values])
            elif len(values) != len(header.names):
                raise AutodasError(
                    f"{path}, line {reader.line_num}: {len(values)} columns, but the header has "
                    f"{len(header.names)}: values with commas need quotation marks"
                )
            else:
                rows.append((reader.line_num, values))
    except csv.Error as error:
        raise AutodasError(f"{path}, line {reader.line_num}: not CSV: {error}") from error
    return header, rows


def choose_column(path: Path, header: Header, names: Sequence[str]) -> int | None:
    """Return the number of the column that has the first of some names; ``None`` if it may be missing.

    Args:
        path: of the list, for messages.
        header: of the list.
        names: as for :func:`read_table`.
    """
    for name in names:
        if name in header.names:
            return header.names.index(name)
    if not names[-1]:
        return None
    raise AutodasError(
        f"{path}, line {header.line}: a header with a column {' or '.join(names)} is expected, "
        f"found: {', '.join(header.names)}"
    )


def _text(path: Path) -> str:
    # Spreadsheets write a mark at the beginning.
    try:
        return read_text(path, LARGEST)
    except AutodasError as error:
        raise AutodasError(f"{error}: is it a list?") from error
