"""Configurations that are shipped: one folder a command, one YAML file a preset."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable

from autodas.errors import AutodasError


def preset_commands() -> list[str]:
    """Return the names of the commands that have a folder of presets."""
    return sorted(entry.name for entry in _root().iterdir() if entry.is_dir() and entry.name[0] not in "._")


def preset_names(command: str) -> list[str]:
    """Return the names of a command's presets, sorted."""
    folder = _root() / command
    if not folder.is_dir():
        return []
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def read_preset(command: str, name: str) -> str:
    """Return the YAML text of a preset.

    Raises:
        AutodasError: if the command has no preset of that name. The message names the nearest and lists
            those that there are, and says so when another command has one of that name.
    """
    known = preset_names(command)
    if name in known:
        return (_root() / command / f"{name}.yaml").read_text(encoding="utf-8")
    message = f"'{command}' has no preset '{name}'"
    others = [other for other in preset_commands() if other != command and name in preset_names(other)]
    if others:
        message += f" ('{others[0]}' has)"
    elif matches := get_close_matches(name, known, n=1, cutoff=0.5):
        message += f"; did you mean '{matches[0]}'?"
    raise AutodasError(f"{message}; presets of '{command}': {', '.join(known) or 'none'}")


def _root() -> Traversable:
    return files("autodas.presets")
