"""Settings of runs and their differences: only runs with equal settings are repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autodas.runs.reading import Run

_HOW = (
    "seed",
    "genotype",  # only the place of the architecture; the method is listed separately
    "data.name",
    "data.workers",
    "compute",
    "checkpoint_every",
    "tensorboard",
    "train_preset",
    "strategy.name",
)
"""Keys of configurations, or prefixes of keys, that do not affect whether runs are repetitions."""

_NEW = {"data.task": "auto", "data.balance": "none", "optim.loss": "mse"}
"""Settings that earlier versions did not have, with the value that changes nothing."""

_SEARCH = "search "
"""Prefix of the keys of a search."""

Setting = Mapping[str, str]
"""Key to value, both as displayed."""


def setting_of(search: Run | None, training: Run | None) -> dict[str, str]:
    """Return the settings of a training and, with the prefix ``"search "``, of the search it belongs to."""
    setting: dict[str, str] = {}
    for prefix, run in ((_SEARCH, search), ("", training)):
        if run is None:
            continue
        if not run.settings:
            setting[f"{prefix}settings"] = f"not known: {run.name}"
        setting |= {prefix + key: text for key, text in _values(run)}
    return setting


def differences(settings: Sequence[tuple[str, Setting]]) -> list[str]:
    """Return the keys in which settings differ.

    Settings of methods are compared only between runs of the same method. Settings that differ in the same
    way in searches and trainings are listed once.

    Args:
        settings: pairs of method and setting.
    """
    keys = []
    for key in dict.fromkeys(key for _, setting in settings for key in setting):
        part = _part(key)
        groups: dict[str, set[str]] = {}
        for method, setting in settings:
            if part in map(_part, setting):  # the entry has a search, or a training
                own = method if key.removeprefix(_SEARCH).startswith("strategy.") else ""
                groups.setdefault(own, set()).add(setting.get(key, ""))
        if any(len(values) > 1 for values in groups.values()):
            keys.append(key)
    columns = {key: [setting.get(key) for _, setting in settings] for key in keys}
    return [key for key in keys if _part(key) == "" or columns[key] != columns.get(key.removeprefix(_SEARCH))]


def _part(key: str) -> str:
    return _SEARCH if key.startswith(_SEARCH) else ""


def _values(run: Run) -> Iterator[tuple[str, str]]:
    for key, value in _flat(run.settings):
        if key == "data.storage" and value != "compressed":
            continue  # the others show the network the same pixels
        if key in _NEW and value == _NEW[key]:
            continue
        if value not in (None, [], "") and not any(key == how or key.startswith(f"{how}.") for how in _HOW):
            yield key.removeprefix("data."), _text(value)
    # Properties of the data that follow from the data set.
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
