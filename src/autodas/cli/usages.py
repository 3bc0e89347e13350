"""The usages of all commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from autodas.cli.config._usage import Usage
from autodas.cli.main import COMMANDS


def all_usages() -> dict[str, tuple[Usage[Any], ...]]:
    """Return the usages of each command; of a command with verbs, one for each verb."""
    return {name: import_module(module).USAGES for name, (module, _) in COMMANDS.items()}
