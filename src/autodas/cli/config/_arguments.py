"""Parsing of the command line into options and positional arguments, as text by dotted key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise

from autodas.cli.config._schema import Schema
from autodas.cli.config._values import is_switch
from autodas.errors import AutodasError

WITH_FILES = ("preset", "config")
"""Options with a value, common to all commands with presets."""

ALL = "--help_all"
HELP = ("-h", "--help", ALL)
"""Options that print help, the first two that on the common options."""


@dataclass
class Arguments:
    """Values on a command line.

    Args:
        values: dotted key to the text of its value; for a variadic argument, to the list of its texts.
        labels: dotted key to the user's spelling of it, for error messages.
    """

    values: dict[str, str | list[str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: str | list[str], label: str) -> None:
        """Set a value; the last one wins."""
        self.values[key] = value
        self.labels[key] = label


def peek(argv: Sequence[str], *names: str) -> list[str]:
    """Return the values of some options in order, whatever the other options are."""
    values = []
    for word, following in pairwise([*_before_dashes(argv), "--"]):
        name, equals, value = word.partition("=")
        if name.startswith("--") and _normal(name[2:]) in names:
            if equals:
                values.append(value)
            elif not following.startswith("--"):
                values.append(following)
    return values


def wants(argv: Sequence[str], *options: str) -> bool:
    """Return whether one of some options without a value is on the command line."""
    return any(_spelled(word) in options for word in _before_dashes(argv))


def take_prefixed(argv: Sequence[str], prefixes: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Separate the options of other commands: ``--search.epochs 3`` is ``--epochs 3`` of ``search``.

    Args:
        argv: words of a command line.
        prefixes: names of the other commands.

    Returns:
        The words of each of them, without the prefix, and all other words.
    """
    taken: dict[str, list[str]] = {prefix: [] for prefix in prefixes}
    rest: list[str] = []
    into = rest
    for word in argv:
        if word.startswith("--"):
            prefix, dot, name = word[2:].partition(".")
            into = taken[prefix] if dot and prefix in taken else rest
            into.append(f"--{name}" if into is not rest else word)
        else:
            into.append(word)  # value of the previous option
    return taken, rest


def read_arguments(argv: Sequence[str], schema: Schema, with_files: bool) -> Arguments:
    """Parse a command line.

    Args:
        argv: words after the command.
        schema: schema of the configuration.
        with_files: whether ``--preset``, ``--config`` and ``--print_config`` are allowed. They belong to no
            key and are skipped here.

    Raises:
        AutodasError: if an option is unknown or lacks its value, or there are too many arguments.
    """
    arguments, words = Arguments(), list(argv)
    positionals: list[str] = []
    shorts = {leaf.metadata["short"]: key for key, leaf in schema.leaves.items() if "short" in leaf.metadata}
    skipped = [f"--{name}" for name in WITH_FILES] if with_files else []
    while words:
        word = words.pop(0)
        if word == "--":
            positionals += words
            break
        if not word.startswith("-") or word == "-" or re.fullmatch(r"-\.?\d.*", word):
            positionals.append(word)
            continue
        if with_files and _spelled(word) == "--print_config":
            continue
        name, equals, value = word.partition("=")
        if word[:2] in shorts and len(word) > 2 and not equals:  # -oFILE
            name, equals, value = word[:2], "=", word[2:]
        key = _key(name, schema, shorts)
        if key is None and _spelled(name) not in skipped:
            raise AutodasError(_unknown(name, schema, with_files))
        if not equals:
            if key is not None and is_switch(schema.leaves[key].hint):
                value = words.pop(0) if words and words[0] in ("true", "false") else "true"
            elif not words or words[0].startswith("--") or words[0] in shorts:
                raise AutodasError(f"{name}: a value is expected")
            else:
                value = words.pop(0)
        if key is not None:
            arguments.put(key, value, name)
    _place(positionals, schema, arguments)
    return arguments


def _place(words: list[str], schema: Schema, arguments: Arguments) -> None:
    for leaf in schema.positionals:
        if words and leaf.variadic:
            arguments.put(leaf.key, words, leaf.metavar)
            words = []
        elif words:
            arguments.put(leaf.key, words[0], leaf.metavar)
            words = words[1:]
    if words:
        hint = "" if schema.positionals else ": this command has options alone, which start with --"
        raise AutodasError(f"unexpected argument '{words[0]}'{hint}")


def _key(name: str, schema: Schema, shorts: dict[str, str]) -> str | None:
    if not name.startswith("--"):
        return shorts.get(name)
    key = _normal(name[2:])
    key = schema.short_forms.get(key, key)
    leaf = schema.leaves.get(key)
    return key if leaf is not None and not leaf.positional else None


def _unknown(name: str, schema: Schema, with_files: bool) -> str:
    key = _normal(name.lstrip("-"))
    message = f"unknown option '{name}'"
    if key in schema.leaves and schema.leaves[key].positional:
        return f"{message}: {schema.leaves[key].metavar} is given without an option name"
    if key in schema.leaves:
        return f"{message}; did you mean '--{key}'?"
    general = ["help", "help_all", "debug", *((*WITH_FILES, "print_config") if with_files else ())]
    options = [leaf.key for leaf in schema.leaves.values() if not leaf.positional]
    near = get_close_matches(key, [*general, *options], 1, 0.6)
    if near and near[0] in general:
        return f"{message}; did you mean '--{near[0]}'?"
    return f"{message}{schema.unknown(key, '--')}"


def _before_dashes(argv: Sequence[str]) -> Sequence[str]:
    words = list(argv)
    return words[: words.index("--")] if "--" in words else words


def _normal(name: str) -> str:
    # --image-size and --image_size are one option.
    return name.replace("-", "_")


def _spelled(word: str) -> str:
    return f"--{_normal(word[2:])}" if word.startswith("--") else word
