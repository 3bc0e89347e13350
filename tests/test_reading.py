"""Files are read up to a limit, and checked before anything is made of them."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from autodas.errors import AutodasError
from autodas.reading import (
    TEXT,
    TRUTH,
    Fields,
    Items,
    Number,
    Optional,
    Shape,
    Values,
    Whole,
    parse_json,
    read_bytes,
    read_text,
)

SHAPE = Fields({"a": Items(Whole(1, 3), 1, 2)}, {"b": Values(Optional(Number(0, 1))), "c": TRUTH})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "f: a mapping is expected, found []"),
        ({}, "f: 'a' is missing"),
        ({"a": []}, "f: a: a list of 1 to 2 items is expected, found 0"),
        ({"a": [1, 4]}, "f: a[1]: a whole number from 1 to 3 is expected, found 4"),
        ({"a": [True]}, "f: a[0]: a whole number from 1 to 3 is expected, found True"),
        ({"a": [1], "b": {"x": 2}}, "f: b: x: a number from 0 to 1 is expected, found 2"),
        ({"a": [1], "b": {"x": float("nan")}}, "f: b: x: a number from 0 to 1 is expected, found nan"),
        ({"a": [1], "b": {3: 1}}, "f: b: a key: text is expected, found 3"),
        ({"a": [1], "c": 0}, "f: c: true or false is expected, found 0"),
    ],
)
def test_the_place_is_named(value: Any, expected: str) -> None:
    with pytest.raises(AutodasError) as caught:
        SHAPE.check(value, "f")
    assert str(caught.value) == expected


def test_what_fits() -> None:
    SHAPE.check({"a": (1, 3), "b": {"x": 0, "y": None}, "more": object()}, "f")
    Number().check(-1e299, "f")


@pytest.mark.parametrize("value", [10**400, float("inf"), float("-inf"), True, "1", None, 1j])
def test_numbers_are_finite(value: Any) -> None:
    with pytest.raises(AutodasError, match="f: a number is expected"):
        Number().check(value, "f")


@pytest.mark.parametrize("shape", [TEXT, Whole(), Number(), Items(TEXT), SHAPE])
def test_a_large_value_is_quoted_in_few_words(shape: Shape) -> None:
    nested: Any = {"x" * 10**6: 1}
    for _ in range(500):
        nested = {"deep": [nested] * 3}
    with pytest.raises(AutodasError) as caught:
        shape.check(nested, "f")
    assert len(str(caught.value)) < 300


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "file", 100) == b"x" * 100
    with pytest.raises(AutodasError, match="larger than 99 bytes"):
        read_bytes(tmp_path / "file", 99)
    if Path("/dev/zero").exists():
        with pytest.raises(AutodasError, match="/dev/zero: larger than 1 MiB"):
            read_bytes("/dev/zero", 2**20)


def test_room_is_made_for_what_is_there(tmp_path: Path) -> None:
    import tracemalloc

    (tmp_path / "file").write_bytes(b"x" * 100)
    tracemalloc.start()
    try:
        assert read_bytes(tmp_path / "file", 2**40) == b"x" * 100
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_pipes_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("text",))
    writer.start()
    assert read_text(tmp_path / "pipe", 100) == "text"
    writer.join()


@pytest.mark.parametrize("name", ["absent", "folder", "null\0byte", "x" * 5000])
def test_what_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(AutodasError, match="cannot be read"):
        read_text(f"{tmp_path}/{name}", 100)


def test_text_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"ab\xff")
    with pytest.raises(AutodasError, match=r"not a text file in UTF-8 \(byte 2\)"):
        read_text(tmp_path / "file", 100)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 65 + "]" * 65, "nested more than 64 levels"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested more than 64 levels"),
        ("9" * 5000, "not JSON"),
        ("{", "not JSON"),
    ],
)
def test_json_that_is_none(text: str, why: str) -> None:
    with pytest.raises(AutodasError, match=f"f: {why}"):
        parse_json(text, "f")


def test_json() -> None:
    assert parse_json(' {"a": [1, [2]]}', "f") == {"a": [1, [2]]}
    assert parse_json("[" * 64 + "]" * 64, "f")
