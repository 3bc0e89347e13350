"""Lists that people write or hand out: lines of text, and CSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, read_text

LARGEST = 256 * MEBIBYTE
"""Bytes of a list."""


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
    # Comments become blank lines, so that lines are still counted.
    lines = ["" if line.startswith("#") else line for line in _text(path).splitlines()]
    reader = csv.reader(lines)
    header: list[str] | None = None
    chosen: list[int | None] = []
    rows: list[tuple[int, list[str | None]]] = []
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if not any(values):
                continue
            if header is None:
                header = [value.lower() for value in values]
                chosen = [_column(path, reader.line_num, header, names) for names in columns]
                continue
            if len(values) != len(header):
                raise AutodasError(
                    f"{path}, line {reader.line_num}: {len(values)} columns, "
                    f"but the header has {len(header)}: "
                    "values with commas need quotation marks"
                )
            rows.append((reader.line_num, [None if i is None else values[i] for i in chosen]))
    except csv.Error as error:
        raise AutodasError(f"{path}, line {reader.line_num}: not CSV: {error}") from error
    return rows


def _column(path: Path, line: int, header: list[str], names: Sequence[str]) -> int | None:
    for name in names:
        if name in header:
            return header.index(name)
    if not names[-1]:
        return None
    raise AutodasError(
        f"{path}, line {line}: a header with a column {' or '.join(names)} is expected, "
        f"found: {', '.join(header)}"
    )


def _text(path: Path) -> str:
    # Spreadsheets write a mark at the beginning.
    try:
        return read_text(path, LARGEST)
    except AutodasError as error:
        raise AutodasError(f"{error}: is it a list?") from error
