"""Words that the value of an option or argument may be, beyond what its type says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from autodas.cli.config._options import Option
from autodas.cli.config._schema import Leaf
from autodas.cli.config._values import is_switch, takes_list
from autodas.detection_options import LAYOUTS, BoxTestOptions
from autodas.presets import preset_names
from autodas.spaces import OPERATIONS, SKELETONS, space_names
from autodas.strategies import strategy_info, strategy_names
from autodas.zoo import zoo_names

DATA = (
    *("digits", "cifar10", "cifar100", "moving-digits"),
    *("cifar10:", "cifar100:", "imagefolder:", "imagelist:", "parquet:", "python:", "market1501:"),
    *("videofolder:", "videolist:", "ucf101:", "hmdb51:", "kinetics400:", "kinetics10:", "hf:"),
)
"""Names of data sets, and their beginnings; of the data package this would need torch."""


_WORDS: dict[str, Callable[[], Iterable[str]]] = {
    "budget.skeleton": lambda: SKELETONS,
    "compute.device": lambda: ("auto", "cpu", "cuda"),
    "data.name": lambda: DATA,
    "device": lambda: ("auto", "cpu", "cuda"),
    "engine": lambda: ("fused", "reference"),
    "engines": lambda: ("fused", "reference"),
    "genotype": zoo_names,
    "genotypes": zoo_names,
    "methods": strategy_names,
    "resume": lambda: ("auto", "never"),
    "skeleton.name": lambda: SKELETONS,
    "space": space_names,
    "space.name": space_names,
    "space.operations": lambda: OPERATIONS,
    "strategy.annealing": lambda: ("linear", "exponential"),
    "strategy.resource_form": lambda: ("log", "linear"),
    "strategy.schedule": lambda: ("a", "b", "c"),
    "strategy.select": lambda: ("weight", "drop"),
    "supernet.engine": lambda: ("fused", "reference"),
    "table": lambda: ("nasbench201:",),
    "teacher.name": lambda: ("timm:", "python:"),
    "train_preset": lambda: preset_names("train"),
    "compare preset": lambda: preset_names("search"),
    "device sample preset": lambda: preset_names("train"),
    "profile preset": lambda: preset_names("train"),
    "space show name": space_names,
    "zoo show name": zoo_names,
}
"""Words by key, or by command and key."""

_FILES = (
    *("budget.table", "data.cache", "draw", "files", "folder", "fuse", "genotype", "genotypes", "model"),
    *("output", "resume", "run", "runs", "table", "teacher.name", "weights"),
)
"""Keys whose values may be files or folders, though their type is text."""

_NO_PATH = ("python:", "hf:", "timm:")
"""Beginnings that are not followed by a path."""


def value_of(command: str, option: Option, presets: str | None) -> dict[str, Any] | None:
    """Return what completes the value of an option, as plain data; ``None`` if it has no value.

    ``words`` maps words to their help, ``files`` tells whether files may follow, ``prefixes`` are words after
    which files follow, ``many`` whether there may be several, separated by commas.
    """
    leaf = option.leaf
    if leaf is None:
        return _general(option.names[-1], presets) if option.metavar else None
    if not option.metavar and not leaf.positional:
        return None
    words = _words(command, leaf)
    return {
        "words": words,
        "files": leaf.key in _FILES or Path in _members(leaf.hint),
        "prefixes": [word for word in words if word.endswith(":") and word not in _NO_PATH],
        "many": (takes_list(leaf.hint) or leaf.key == "methods") and not leaf.variadic,
    }


def _general(name: str, presets: str | None) -> dict[str, Any]:
    names = preset_names(presets) if name == "--preset" and presets is not None else []
    return {"words": dict.fromkeys(names, ""), "files": name == "--config", "prefixes": [], "many": False}


def _words(command: str, leaf: Leaf) -> dict[str, str]:
    if leaf.key in ("strategies", "strategy.name"):
        return {name: strategy_info(name).description for name in strategy_names()}
    if leaf.key == "data.name" and issubclass(leaf.owner, BoxTestOptions):
        return {f"{layout}:": "" for layout in LAYOUTS}
    known = _WORDS.get(f"{command} {leaf.key}") or _WORDS.get(leaf.key)
    if known is not None:
        return dict.fromkeys(known(), "")
    if is_switch(leaf.hint):
        return {"true": "", "false": ""}
    return dict.fromkeys(_choices(leaf.hint), "")


def _choices(hint: Any) -> list[str]:
    """Return the choices of a type, also of the items of a list."""
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [choice for member in get_args(hint) for choice in _choices(member)]


def _members(hint: Any) -> tuple[Any, ...]:
    return (hint, *(member for part in get_args(hint) for member in _members(part)))
