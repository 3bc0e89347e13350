"""Reading of CSV files with named columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from autodas.errors import AutodasError
from autodas.reading import read_text


def read_csv(path: str | Path, most: int) -> tuple[list[str], Iterator[tuple[str, dict[str, str]]]]:
    """Return the names of the columns, and the rows one by one, each with its place for messages.

    Cells are without spaces around them; empty lines are skipped.

    Args:
        path: file.
        most: largest size in bytes.

    Raises:
        AutodasError: if the file cannot be read, or two columns have the same name; while reading rows, if
            one of them is malformed.
    """
    lines = _lines(path, read_text(path, most))
    _, head = next(lines, ("", []))
    if len(set(head)) < len(head):
        raise AutodasError(f"{path}: several columns have the same name")
    return head, _rows(head, lines)


def _rows(head: list[str], lines: Iterator[tuple[str, list[str]]]) -> Iterator[tuple[str, dict[str, str]]]:
    for where, row in lines:
        if len(row) != len(head):
            raise AutodasError(f"{where}: {len(row)} columns, expected {len(head)}")
        yield where, dict(zip(head, row, strict=True))


def _lines(path: str | Path, text: str) -> Iterator[tuple[str, list[str]]]:
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        for row in reader:
            if row:
                yield f"{path}, line {reader.line_num}", [cell.strip() for cell in row]
    except csv.Error as error:
        raise AutodasError(f"{path}, line {reader.line_num}: {error}") from None
