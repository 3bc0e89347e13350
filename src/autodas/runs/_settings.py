"""The settings of runs, and in what they differ: only runs of equal settings are repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autodas.runs.reading import Run

_HOW = (
    "seed",
    "genotype",  # where the architecture lies; which method found it is told beside
    "data.name",
    "data.workers",
    "data.storage",
    "compute",
    "checkpoint_every",
    "tensorboard",
    "train_preset",
    "strategy.name",
)
"""Keys of configurations, or how they begin, that say where and how often a run was made, not of what."""

_SEARCH = "search "
"""How the keys of a search begin."""

Setting = Mapping[str, str]
"""Key to value, both as people read them."""


def setting_of(search: Run | None, training: Run | None) -> dict[str, str]:
    """Return the settings of a training, and of the search whose result it trained; keys of that begin so."""
    found: dict[str, str] = {}
    for prefix, run in ((_SEARCH, search), ("", training)):
        if run is None:
            continue
        if not run.settings:
            found[f"{prefix}settings"] = f"not known: {run.name}"
        found |= {prefix + key: text for key, text in _values(run)}
    return found


def differences(settings: Sequence[tuple[str, Setting]]) -> list[str]:
    """Return the keys in which settings differ.

    Settings of methods differ from method to method; they count where those of one method do. What differs
    in a search just as in its training is named once.

    Args:
        settings: each with the method.
    """
    found = []
    for key in dict.fromkeys(key for _, setting in settings for key in setting):
        part = _part(key)
        groups: dict[str, set[str]] = {}
        for method, setting in settings:
            if part in map(_part, setting):  # there was a search, or a training, at all
                own = method if key.removeprefix(_SEARCH).startswith("strategy.") else ""
                groups.setdefault(own, set()).add(setting.get(key, ""))
        if any(len(values) > 1 for values in groups.values()):
            found.append(key)
    columns = {key: [setting.get(key) for _, setting in settings] for key in found}
    return [
        key for key in found if _part(key) == "" or columns[key] != columns.get(key.removeprefix(_SEARCH))
    ]


def _part(key: str) -> str:
    return _SEARCH if key.startswith(_SEARCH) else ""


def _values(run: Run) -> Iterator[tuple[str, str]]:
    for key, value in _flat(run.settings):
        if value not in (None, [], "") and not any(key == how or key.startswith(f"{how}.") for how in _HOW):
            yield key.removeprefix("data."), _text(value)
    # What was left to the data set, and how much of it there was.
    for key, value in _flat(run.start.input or {}):
        if value is not None:
            yield key, _text(value)
    items = run.start.pictures or {}
    if items:
        yield "items", ", ".join(f"{count} {part}" for part, count in items.items())


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
