"""Shipped configurations: one folder per command, one YAML file per preset."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable

from autodas.errors import AutodasError


def preset_commands() -> list[str]:
    """Return the names of the commands that have presets."""
    return sorted(entry.name for entry in _root().iterdir() if entry.is_dir() and entry.name[0] not in "._")


def preset_names(command: str) -> list[str]:
    """Return the sorted names of a command's presets."""
    folder = _root() / command
    if not folder.is_dir():
        return []
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def presets_of_method(command: str, method: str, preset: str) -> list[str]:
    """Return a method's own presets for the data set of another preset, such as ``pdarts-cifar10-search``.

    Args:
        command: the command.
        method: name of the method.
        preset: preset for the data set, such as ``cifar10-search``.
    """
    own = f"{method}-{preset.partition('-')[0]}"
    return [name for name in preset_names(command) if name.startswith(f"{own}-") and name != preset]


def read_preset(command: str, name: str) -> str:
    """Return the YAML text of a preset.

    Raises:
        AutodasError: if the command has no such preset. The message suggests the nearest name, lists all
            presets, and mentions another command that has a preset of that name.
    """
    known = preset_names(command)
    if name in known:
        return (_root() / command / f"{name}.yaml").read_text(encoding="utf-8")
    message, listed = f"'{command}' has no preset '{name}'", ", ".join(known) or "none"
    others = [other for other in preset_commands() if other != command and name in preset_names(other)]
    if others:
        message += f" ('{others[0]}' has)"
    elif matches := get_close_matches(name, known, n=1, cutoff=0.5):
        raise AutodasError(f"{message}; did you mean '{matches[0]}'? The presets of '{command}' are {listed}")
    raise AutodasError(f"{message}; presets of '{command}': {listed}")


def _root() -> Traversable:
    return files("autodas.presets")
