"""CSV files with named columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from autodas.csv_reading import read_csv
from autodas.errors import AutodasError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_with_their_places(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufeffa, b\n\n1 ,"x, y"\n"2\n3",\n')
    head, rows = read_csv(path, 1000)
    assert head == ["a", "b"]
    assert list(rows) == [
        (f"{path}, line 3", {"a": "1", "b": "x, y"}),
        (f"{path}, line 5", {"a": "23", "b": ""}),
    ]


def test_empty_files(tmp_path: Path) -> None:
    head, rows = read_csv(write(tmp_path / "a.csv", ""), 1000)
    assert (head, list(rows)) == ([], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,a\n1,2\n", "several columns have the same name"),
        ("a,b\n1,2\n1\n", "line 3: 1 columns, expected 2"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("a,b\n" + 300 * "1,2\n", "larger than 1,000 bytes"),
    ],
)
def test_bad_files(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match=message):
        list(read_csv(write(tmp_path / "a.csv", text), 1000)[1])
