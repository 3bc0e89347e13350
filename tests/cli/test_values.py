"""Single values of options: text on the command line means what it means in a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from autodas.cli.config._values import convert


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "010", 10),
        (int, "-3", -3),
        (float, "3", 3.0),
        (float, "1e-3", 0.001),
        (float | str, "mild", "mild"),
        (float | str, "0.5", 0.5),
        (bool, "true", True),
        (str, "1", "1"),
        (str | None, "null", None),
        (int | None, "null", None),
        (Path, "a b", Path("a b")),
        (tuple[float, float], "0.5, 0.9", (0.5, 0.9)),
        (tuple[float, float] | None, "[0, 1]", (0.0, 1.0)),
        (tuple[int, ...], "", ()),
        (tuple[str, ...], "1,b", ("1", "b")),
        (int | Literal["all"], "all", "all"),
    ],
)
def test_texts(hint: Any, text: str, value: object) -> None:
    found = convert(hint, text, True)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "1.0"),
        (int, "1:30"),
        (int, "0x10"),
        (int, "1_000"),
        (int, ""),
        (int | None, ""),
        (float, "nan1"),
        (float, "9" * 400),
        (bool, "yes"),
        (bool, "1"),
        (tuple[float, float], "1"),
        (tuple[float, float], "1,2,3"),
        (tuple[int, ...], "1,a"),
        (tuple[int, ...], "[1"),
        (Literal["a", "b"], "c"),
        (Path, ""),
    ],
)
def test_texts_of_another_type(hint: Any, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        convert(hint, text, True)
