"""Safe reading of damaged, foreign or hostile files: size limits, and checks before any data are used.

A :class:`Shape` describes valid plain data. Checking raises an error that names the place:
``config: data.epochs: a whole number from 1 to 1,000,000 is expected, found 'many'``.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from autodas.errors import AutodasError

MEBIBYTE = 2**20
DEEPEST = 64
"""Largest depth of nested lists and objects."""


def read_bytes(path: str | Path, most: int) -> bytes:
    """Return the content of a file.

    Args:
        path: file or pipe.
        most: largest size in bytes; no more are ever read.

    Raises:
        AutodasError: if the file cannot be read, or is larger; ``__cause__`` is the system error, if any.
    """
    try:
        with open(path, "rb") as file:
            # In pieces, since read(n) allocates n bytes whatever the size of the file.
            pieces, left = [], most + 1
            while left and (piece := file.read(min(left, MEBIBYTE))):
                pieces.append(piece)
                left -= len(piece)
        content = b"".join(pieces)
    except (OSError, ValueError) as error:  # ValueError: invalid file name
        raise AutodasError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > most:
        limit = f"{most // MEBIBYTE} MiB" if most >= MEBIBYTE else f"{most:,} bytes"
        raise AutodasError(f"{path}: larger than {limit}, the limit for such files")
    return content


def read_text(path: str | Path, most: int) -> str:
    """Return the text of a file in UTF-8, without its byte order mark.

    Raises:
        AutodasError: as :func:`read_bytes`, and if the content is not UTF-8.
    """
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AutodasError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error


def parse_json(text: str | bytes, where: str) -> Any:
    """Return the data of a JSON document.

    Args:
        text: JSON document.
        where: name of the document in messages, usually the path.

    Raises:
        AutodasError: if the document is not JSON, or nested too deeply.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        raise AutodasError(f"{where}: not JSON: {error}") from error
    level = [document]
    for _ in range(DEEPEST):
        level = [
            item
            for container in level
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return document
    raise AutodasError(f"{where}: nested more than {DEEPEST} levels deep")


class Shape(Protocol):
    """Type and range of valid values."""

    def check(self, value: Any, where: str) -> None:
        """Check a value.

        Raises:
            AutodasError: if the value is invalid; the message names the place, the expectation and the value.
        """
        ...


_HUGE = 1e300


def shown(value: Any) -> str:
    """Return a value as quoted in messages, shortened if it is large."""
    return _short.repr(value)


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_short.maxlevel = 2


def _refuse(where: str, expected: str, value: Any) -> None:
    raise AutodasError(f"{where}: {expected} is expected, found {shown(value)}")


@dataclass(frozen=True)
class Whole:
    """Whole number from ``low`` to ``high``."""

    low: int = 0
    high: int = 2**63 - 1

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            _refuse(where, f"a whole number from {self.low:,} to {self.high:,}", value)


@dataclass(frozen=True)
class Number:
    """Finite number from ``low`` (exclusive if ``above``) to ``high``."""

    low: float = -_HUGE
    high: float = _HUGE
    above: bool = False

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Integers may exceed any float, so values are compared directly; NaN fails every comparison.
        if not number or not self.low <= value <= self.high or (self.above and value == self.low):
            bounds = [] if self.low == -_HUGE else [f"{'above' if self.above else 'from'} {self.low:g}"]
            bounds += [f"to {self.high:g}"] if self.high < _HUGE else []
            _refuse(where, " ".join(["a number", *bounds]), value)


@dataclass(frozen=True)
class Is:
    """Value of one of several types."""

    types: tuple[type, ...]
    what: str

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        if not isinstance(value, self.types):
            _refuse(where, self.what, value)


TEXT = Is((str,), "text")
TRUTH = Is((bool,), "true or false")
MAPPING = Is((dict,), "a mapping")


@dataclass(frozen=True)
class OneOf:
    """One of several texts."""

    texts: tuple[str, ...]

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        if not isinstance(value, str) or value not in self.texts:
            _refuse(where, f"one of {', '.join(self.texts)}", value)


@dataclass(frozen=True)
class Items:
    """List (or tuple) of ``low`` to ``high`` items of one shape."""

    shape: Shape
    low: int = 0
    high: int = 1_000_000

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        if not isinstance(value, list | tuple):
            _refuse(where, "a list", value)
        if not self.low <= len(value) <= self.high:
            raise AutodasError(
                f"{where}: a list of {self.low:,} to {self.high:,} items is expected, found {len(value):,}"
            )
        for number, item in enumerate(value):
            self.shape.check(item, f"{where}[{number}]")


@dataclass(frozen=True)
class Row:
    """List (or tuple) with one value for each of several shapes."""

    shapes: tuple[Shape, ...]

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        if not isinstance(value, list | tuple) or len(value) != len(self.shapes):
            _refuse(where, f"a list of {len(self.shapes)} values", value)
        for number, (shape, item) in enumerate(zip(self.shapes, value, strict=True)):
            shape.check(item, f"{where}[{number}]")


@dataclass(frozen=True)
class Fields:
    """Mapping with certain keys; other keys are ignored."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        MAPPING.check(value, where)
        for key, shape in self.required.items():
            if key not in value:
                raise AutodasError(f"{where}: '{key}' is missing")
            shape.check(value[key], f"{where}: {key}")
        for key, shape in self.optional.items():
            if key in value:
                shape.check(value[key], f"{where}: {key}")


@dataclass(frozen=True)
class Values:
    """Mapping from texts to values of one shape."""

    shape: Shape

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        MAPPING.check(value, where)
        for key, item in value.items():
            TEXT.check(key, f"{where}: a key")
            self.shape.check(item, f"{where}: {key}")


@dataclass(frozen=True)
class Optional:
    """``None``, or a value of a shape."""

    shape: Shape

    def check(self, value: Any, where: str) -> None:
        """Check a value."""
        if value is not None:
            self.shape.check(value, where)


def known(value: Any, keys: Sequence[str]) -> Any:
    """Return the value at a path of keys in nested mappings; ``None`` if it is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
