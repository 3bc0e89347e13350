"""What may stand at the cursor of a command line: plain data in, plain data out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from autodas.cli.completion._table import Table

_BEFORE_COMMANDS = {"--help": "show all commands", "--version": "show the version"}


class Candidate(NamedTuple):
    """Possible word at the cursor.

    Args:
        word: the whole word, from its beginning.
        help: one line.
        is_file: whether it is the name of a file or a folder; folders end with ``/``.
    """

    word: str
    help: str = ""
    is_file: bool = False


def candidates(table: Table, words: Sequence[str]) -> list[Candidate]:
    """Return what may stand at the cursor, in order.

    Args:
        table: what can be completed.
        words: words of the command line, ``autodas`` first, the one at the cursor last; that one may be empty
            or incomplete.
    """
    before, current = list(words[1:-1]), words[-1]
    found = _after_program(table, before, current)
    return list(dict.fromkeys(c for c in found if c.word.startswith(current) and c.word != ""))


def _after_program(table: Table, before: list[str], current: str) -> Iterator[Candidate]:
    if not before:
        known = {**table["commands"], **(_BEFORE_COMMANDS if current.startswith("-") else {})}
        yield from _listed(known)
        return
    usages = table["usages"].get(before[0], [])
    if any(usage["verb"] for usage in usages):
        if len(before) == 1:
            yield from _listed({usage["verb"]: usage["summary"] for usage in usages})
            return
        usages = [usage for usage in usages if usage["verb"] == before[1]]
        before = before[1:]
    yield from _of_usages(table, _meant(usages, before), before[1:], current)


def _meant(usages: list[dict[str, Any]], words: list[str]) -> list[dict[str, Any]]:
    """Return the usages that the words before the cursor leave possible."""
    selected = [usage for usage in usages if usage["given"]]
    selected = [usage for usage in selected if _last(words, usage["given"][0]) == usage["given"][1]]
    return selected or [usage for usage in usages if not usage["given"]]


def _of_usages(
    table: Table, usages: list[dict[str, Any]], words: list[str], current: str
) -> Iterator[Candidate]:
    options: dict[str, dict[str, Any]] = {}
    for usage in usages:
        for name, option in _options(table, usage, words).items():
            options[name] = _either(options[name], option) if name in options else option
    if "--" in words:
        yield from _arguments(usages, words, options, current)
        return
    name, equals, _ = current.partition("=")
    if equals and current.startswith("--"):
        value = options.get(_normal(name), {}).get("value")
        for candidate in _values(value, current[len(name) + 1 :]):
            yield candidate._replace(word=f"{name}={candidate.word}")
        return
    previous = options.get(_normal(words[-1]), {}).get("value") if words else None
    if previous is not None and not current.startswith("--"):
        yield from _values(previous, current)
        return
    if not current.startswith("-"):
        found = list(_arguments(usages, words, options, current))
        yield from found
        if found or current:
            return
    hyphens = "-" in current[2:] and "_" not in current
    parts = tuple(f"--{part}." for usage in usages for part in usage["forwarded"])
    for part in parts:
        yield Candidate(part, f"options of {part[2:-1]}")
    for name, option in options.items():
        # Those of other commands only behind their prefix, or nothing else could be seen.
        if not name.startswith(parts) or current.startswith(parts):
            # --image-size and --image_size are one option.
            yield Candidate(f"--{name[2:].replace('_', '-')}" if hyphens else name, option["help"])


def _either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return an option of two usages, with the values of both."""
    if one["value"] is None or other["value"] is None:
        return one
    words = {**one["value"]["words"], **other["value"]["words"]}
    prefixes = [*one["value"]["prefixes"], *other["value"]["prefixes"]]
    return {**one, "value": {**one["value"], "words": words, "prefixes": prefixes}}


def _options(table: Table, usage: dict[str, Any], words: list[str]) -> dict[str, dict[str, Any]]:
    """Return the options of a usage, those of the chosen alternative and of forwarded commands included."""
    options = dict(usage["options"])
    if "choice" in usage:
        given = _last(words, usage["choice"]) or usage["chosen"]
        options |= usage["alternatives"].get(usage["canonical"].get(given, given), {})
    for part in usage["forwarded"]:
        # Their choices, such as the strategy, are among those withheld.
        own = table["usages"][part][0]["options"]
        allowed = {name[2:]: option for name, option in own.items() if name.startswith("--")}
        options |= {f"--{part}.{name}": o for name, o in allowed.items() if name not in usage["withheld"]}
    return options


def _arguments(
    usages: list[dict[str, Any]], words: list[str], options: dict[str, dict[str, Any]], current: str
) -> Iterator[Candidate]:
    """Yield the values of the positional argument at the cursor."""
    given, skip = 0, False
    for word in words:
        takes_value = options.get(_normal(word), {}).get("value") is not None
        given += not skip and not word.startswith("-")
        skip = takes_value and not skip
    for usage in usages:
        arguments = usage["arguments"]
        place = min(given, len(arguments) - 1) if usage["variadic"] else given
        if place < len(arguments):
            yield from _values(arguments[place], current)


def _values(value: dict[str, Any] | None, current: str) -> Iterator[Candidate]:
    if value is None:
        return
    if value["many"]:
        done, comma, current = current.rpartition(",")
        taken = done.split(",")
        left = {word: text for word, text in value["words"].items() if word not in taken}
        yield from (Candidate(f"{done}{comma}{word}", text) for word, text in left.items())
        if value["files"]:
            yield from (c._replace(word=f"{done}{comma}{c.word}") for c in _files(current))
        return
    yield from _listed(value["words"])
    for prefix in value["prefixes"]:
        if current.startswith(prefix):
            yield from (c._replace(word=f"{prefix}{c.word}") for c in _files(current[len(prefix) :]))
    if value["files"]:
        yield from _files(current)


def _files(current: str) -> Iterator[Candidate]:
    """Yield the files and folders whose names begin with a text; hidden ones only if it says so."""
    folder, name = os.path.split(current)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
    except (OSError, ValueError):
        return
    for entry, is_folder in found:
        if entry.startswith(name) and (name or not entry.startswith(".")):
            path = current[: len(current) - len(name)] + entry
            yield Candidate(f"{path}/" if is_folder else path, is_file=True)


def _listed(words: dict[str, str]) -> Iterator[Candidate]:
    return (Candidate(word, text) for word, text in words.items())


def _last(words: list[str], option: str) -> str:
    """Return the last value of an option on a command line; empty if it is not given."""
    value = ""
    for word, following in pairwise([*words, ""]):
        name, equals, text = word.partition("=")
        if _normal(name) in (option, f"{option}.name"):
            value = text if equals else following
    return value


def _normal(name: str) -> str:
    return f"--{name[2:].replace('-', '_')}" if name.startswith("--") else name
