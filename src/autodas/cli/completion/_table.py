"""Everything that can be completed, as plain data, from the usages of all commands."""

from __future__ import annotations

from typing import Any

from autodas.cli.completion._values import value_of
from autodas.cli.config._options import Option, general_options, options_of
from autodas.cli.config._schema import Schema, choice_field, describe
from autodas.cli.config._usage import Usage
from autodas.cli.main import COMMANDS
from autodas.cli.usages import all_usages

Table = dict[str, Any]
"""``commands``: name to help; ``usages``: name of a command to the entries of its usages."""


def make_table() -> Table:
    """Return what can be completed."""
    usages = {name: [_entry(usage) for usage in own] for name, own in all_usages().items()}
    for own in usages.values():
        _join_alternatives(own)
    return {"commands": {name: text for name, (_, text) in COMMANDS.items()}, "usages": usages}


def _entry(usage: Usage[Any]) -> dict[str, Any]:
    """Return a usage as data, with the options of each alternative where it has a choice."""
    schema, presets = describe(usage.config_class), usage.presets
    options = options_of(schema)
    choice = choice_field(usage.config_class)
    entry: dict[str, Any] = {
        "verb": usage.command.partition(" ")[2],
        "summary": usage.summary,
        "given": usage.given.split() if usage.given.startswith("--") else [],
        "forwarded": list(usage.forwarded),
        "withheld": list(usage.withheld),
        "options": _named(
            usage, [*options, *general_options(presets, bool(usage.common))], choice.key if choice else None
        ),
        "arguments": [value_of(usage.command, option, presets) for option in options if not option.names],
        "variadic": any(leaf.variadic for leaf in schema.positionals),
    }
    if choice is None:
        return entry
    schemas = {name: describe(usage.config_class, name) for name in choice.kind.alternatives()}
    names = list(entry["options"][f"--{choice.key}"]["value"]["words"])
    return entry | {
        "choice": f"--{choice.key}",
        "chosen": choice.default,
        "canonical": {name: choice.kind.resolve(name)[0] for name in names},
        "alternatives": {name: _of_choice(usage, own, choice.key) for name, own in schemas.items()},
    }


def _of_choice(usage: Usage[Any], schema: Schema, key: str) -> dict[str, Any]:
    return _named(usage, [option for option in options_of(schema) if option.group == key], None)


def _named(usage: Usage[Any], options: list[Option], choice: str | None) -> dict[str, Any]:
    """Return the value and the help of each spelling of options; without the settings of a choice."""
    return {
        name: {"help": option.help, "value": value_of(usage.command, option, usage.presets)}
        for option in options
        for name in option.names
        if choice is None or not name.startswith(f"--{choice}.")
    }


def _join_alternatives(entries: list[dict[str, Any]]) -> None:
    """Let the other usages of a command offer the value that selects a usage: ``--task detection``."""
    for entry in entries:
        if entry["given"]:
            option, word = entry["given"]
            for other in entries:
                if option in other["options"]:
                    other["options"][option]["value"]["words"].setdefault(word, "")
