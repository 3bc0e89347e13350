"""Printing of facts, as text or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import PurePath
from typing import Any

from autodas.terminal import message


def print_facts(facts: Mapping[str, Any] | Sequence[Any], as_json: bool) -> None:
    """Print a mapping as names with values, or a list of mappings as a table.

    Args:
        facts: a list, or a mapping whose values may be mappings or lists.
        as_json: print one JSON document, with exact integers and ``null`` for numbers that are not finite.
    """
    plain = _plain(facts)
    if as_json:
        print(json.dumps(plain, indent=2, allow_nan=False))
    else:
        print("\n".join(_lines(plain)))


def unseen_first(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts in which results on samples that were not trained on come first, those on all last."""
    if "unseen" not in facts:
        return facts
    known = {name: fact for name, fact in facts.items() if name not in facts["unseen"] and name != "unseen"}
    together = {name: fact for name, fact in facts.items() if name in facts["unseen"]}
    return {**known, **facts["unseen"], "with_training_samples": together}


def _plain(value: Any) -> Any:
    """Return a value converted to the types of JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [_plain(item) for item in sorted(value)]
    if isinstance(value, Iterable) and not isinstance(value, str) and hasattr(value, "__len__"):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, PurePath):
        return message(str(value))
    # NumPy and torch scalars, without importing either.
    return _plain(value.item()) if hasattr(value, "item") else str(value)


def _lines(facts: Any) -> list[str]:
    if isinstance(facts, list):
        return (
            _table(facts) if facts and all(isinstance(row, dict) for row in facts) else [*map(_text, facts)]
        )
    if not isinstance(facts, dict):
        return [_text(facts)]
    width = max((len(name) for name in facts), default=0)
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict) for v in value)):
            lines += [name, *(f"  {line}" for line in _lines(value))]
        else:
            lines.append(f"{name:{width}}  {_text(value)}".rstrip())
    return lines


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_text(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    right = [
        all(
            isinstance(row.get(name, 0), int | float) and not isinstance(row.get(name, 0), bool)
            for row in rows
        )
        for name in columns
    ]
    return [
        "  ".join(
            f"{cell:>{width}}" if is_number else f"{cell:{width}}"
            for cell, width, is_number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    ]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return message(str(value))
