"""List files: lines of text, and CSV with a header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, read_text

LARGEST = 256 * MEBIBYTE
"""Maximum number of bytes of a list."""


class Header(NamedTuple):
    """Line of a CSV file that names its columns: in lower case, and as written."""

    line: int
    names: list[str]
    written: list[str]


class Row(NamedTuple):
    """Row of a CSV file: the number of its first line, its values, and whether it may be a comment."""

    line: int
    values: list[str]
    doubtful: bool


def read_lines(path: Path, *, comments: bool = True) -> list[tuple[int, str]]:
    """Return the lines of a text file with their numbers from 1, stripped, without blank ones.

    Args:
        path: the file.
        comments: whether lines that begin with ``#`` are skipped.

    Raises:
        AutodasError: if it is not UTF-8 text.
    """
    numbered = ((number, line.strip()) for number, line in enumerate(_lines(path), 1))
    return [(number, line) for number, line in numbered if line and not (comments and line[0] == "#")]


def is_comment(line: str) -> bool:
    """Return whether a line is certainly a comment: ``#`` followed by a blank, or by nothing."""
    return line[:1] == "#" and not line[1:2].strip()


def read_table(path: Path, columns: Sequence[Sequence[str]]) -> list[tuple[int, list[str | None]]]:
    """Return rows of a CSV file, with their line numbers, in the order of the given columns.

    Args:
        path: the file.
        columns: the names that each column may have, the preferred first. If the last name is empty, a
            missing column is ``None`` in all rows.

    Raises:
        AutodasError: if a column is missing, or the number of columns of a row differs from the header.
    """
    header, rows = read_rows(path)
    if header is None:
        return []
    chosen = [choose_column(path, header, names) for names in columns]
    return [
        (row.line, [None if i is None else row.values[i] for i in chosen]) for row in rows if not row.doubtful
    ]


def read_rows(path: Path) -> tuple[Header | None, list[Row]]:
    """Return the header of a CSV file, ``None`` if the file is empty, and its rows.

    Lines before the header that begin with ``#`` are comments; later ones may be rows with any number of
    columns.

    Raises:
        AutodasError: if the number of columns of a row differs from the header, or a quotation mark is not
            closed.
    """
    header: Header | None = None
    rows: list[Row] = []
    for line, cells, hashed in _parsed(path):
        values = [value.strip() for value in cells]
        if not any(values) or (hashed and header is None):
            continue
        if header is None:
            header = Header(line, [value.lower() for value in values], values)
        elif len(values) != len(header.names) and not hashed:
            raise AutodasError(
                f"{path}, line {line}: {len(values)} columns, but the header has "
                f"{len(header.names)}: values with commas need quotation marks"
            )
        else:
            rows.append(Row(line, values, hashed))
    return header, rows


def _parsed(path: Path) -> Iterator[tuple[int, list[str], bool]]:
    """Yield the first line, the cells and whether it begins with ``#``, for each row of a CSV file."""
    lines, number = iter(_lines(path)), 0
    for line in lines:
        hashed = line.startswith("#")
        # Quotation marks in a comment do not count.
        opens = '"' in line and not hashed
        reader = csv.reader(
            chain((line,), _unclosed(f"{path}, line {number + 1}", lines)) if opens else (line,)
        )
        try:
            cells = next(reader)
        except csv.Error as error:
            raise AutodasError(f"{path}, line {number + reader.line_num}: not CSV: {error}") from error
        yield number + 1, cells, hashed
        number += reader.line_num


def _unclosed(where: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield lines within quotation marks; raises AutodasError when there are no more."""
    yield from lines
    raise AutodasError(f"{where}: a quotation mark is opened, but never closed")


def choose_column(path: Path, header: Header, names: Sequence[str]) -> int | None:
    """Return the index of the column with the first of the given names; ``None`` if it may be missing.

    Args:
        path: path of the list, for messages.
        header: header of the list.
        names: as for :func:`read_table`.

    Raises:
        AutodasError: if the column is missing, or several have its name.
    """
    for name in filter(None, names):  # columns may have no name
        if header.names.count(name) > 1:
            raise AutodasError(
                f"{path}, line {header.line}: several columns are called '{name}': rename them"
            )
        if name in header.names:
            return header.names.index(name)
    if not names[-1]:
        return None
    raise AutodasError(
        f"{path}, line {header.line}: a header with a column {' or '.join(names)} is expected, "
        f"found: {', '.join(header.names)}"
    )


def _lines(path: Path) -> list[str]:
    """Return the lines of a file with their line ends; other control characters are part of values."""
    try:
        text = read_text(path, LARGEST)
    except AutodasError as error:
        raise AutodasError(f"{error}: is it a list?") from error
    return list(io.StringIO(text, newline=""))
