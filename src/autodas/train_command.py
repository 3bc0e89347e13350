"""Options of a training that follow from the configuration of the search before it. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from autodas.data_options import DataOptions


def skeleton_words(settings: Mapping[str, Any]) -> list[str]:
    """Return the skeleton options that are necessary to build the network of a search.

    The genotype of a search without normal cells has none, so the skeleton must not have any either. A budget
    is for a network of a certain size, unless that is for other images than those of the search.

    Args:
        settings: content of the ``config.yaml`` of the search.
    """
    space, budget = settings.get("space"), settings.get("budget")
    space, budget = (each if isinstance(each, Mapping) else {} for each in (space, budget))
    sizes: dict[str, Any] = {"K": 0} if space.get("K") == 0 else {}
    own = str(space.get("name", "")).partition("-")[0]
    if not budget.get("image_size") and budget.get("skeleton") in (None, own):
        sizes |= {name: budget[name] for name in ("K", "C1", "C2") if budget.get(name) is not None}
    return [word for name, size in sizes.items() for word in option_words(f"skeleton.{name}", size)]


def data_words(data: Mapping[str, Any]) -> list[str]:
    """Return the options that reopen a data set: its name, and all values that differ from the defaults.

    Args:
        data: configuration of a data set, as saved in a run folder.
    """
    defaults = {f.name: f.default for f in fields(DataOptions)}
    flags = {f.name: f.metadata["flag"] for f in fields(DataOptions) if "flag" in f.metadata}
    words = ["--data", str(data["name"])]
    for key, value in data.items():
        value = tuple(value) if isinstance(value, list) else value
        # Options of augmentation are off at 0, and take the data set's default at null.
        default = defaults.get(key, 0 if type(value) in (int, float) else None)
        if key != "name" and value is not None and value != default:
            words += option_words(flags.get(key, f"data.{key}"), value)
    return words


def option_words(key: str, value: Any) -> list[str]:
    """Return the words that set an option to a value."""
    text = _text(tuple(value) if isinstance(value, list) else value)
    return [f"--{key}={text}"] if text.startswith("-") else [f"--{key}", text]


def _text(value: Any) -> str:
    """Return a value in the notation of the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, tuple):
        return str(value)
    texts = [str(item) for item in value]
    plain = all(text == text.strip() and "," not in text and not text.startswith("[") for text in texts)
    return ",".join(texts) if plain else json.dumps(texts, ensure_ascii=False)
