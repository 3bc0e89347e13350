"""The command that trains what a search found, written out from the search's own configuration. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from autodas.data_options import DataOptions


def train_command(folder: str, settings: Mapping[str, Any]) -> list[str]:
    """Return the words of a command line that trains the network of a search on its data.

    Args:
        folder: of the search.
        settings: what its ``config.yaml`` holds.
    """
    words = ["autodas", "train", folder]
    if settings.get("train_preset"):
        words += ["--preset", str(settings["train_preset"])]
    words += skeleton_words(settings)
    data = settings.get("data")
    return [*words, *data_words(data)] if isinstance(data, Mapping) and data.get("name") else words


def skeleton_words(settings: Mapping[str, Any]) -> list[str]:
    """Return the options of the skeleton without which the network of a search cannot be built.

    A search without normal cells finds none, and the skeleton must not have any either.

    Args:
        settings: what the ``config.yaml`` of the search holds.
    """
    space = settings.get("space")
    without = isinstance(space, Mapping) and space.get("K") == 0
    return ["--skeleton.K", "0"] if without else []


def data_words(data: Mapping[str, Any]) -> list[str]:
    """Return the options that open a data set again: its name, and whatever is not left to its default.

    Args:
        data: the configuration of a data set, as a run folder keeps it.
    """
    defaults = {f.name: f.default for f in fields(DataOptions)}
    words = ["--data", str(data["name"])]
    for key, value in data.items():
        value = tuple(value) if isinstance(value, list) else value
        # The options of augmentation are off at 0, and the data set's own at null.
        default = defaults.get(key, 0 if type(value) in (int, float) else None)
        if key != "name" and value is not None and value != default:
            words += option_words(f"data.{key}", value)
    return words


def option_words(key: str, value: Any) -> list[str]:
    """Return the words that give an option a value."""
    text = _text(tuple(value) if isinstance(value, list) else value)
    return [f"--{key}={text}"] if text.startswith("-") else [f"--{key}", text]


def _text(value: Any) -> str:
    """Return a value as the command line reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, tuple):
        return str(value)
    texts = [str(item) for item in value]
    plain = all(text == text.strip() and "," not in text and not text.startswith("[") for text in texts)
    return ",".join(texts) if plain else json.dumps(texts, ensure_ascii=False)
