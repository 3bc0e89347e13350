"""Commands with verbs: ``autodas zoo list``, ``autodas zoo show NAME``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from autodas.cli.config._arguments import HELP, wants
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError, nearest


class Verb(NamedTuple):
    """Verb of a command.

    Args:
        config_class: dataclass of its configuration.
        function: function that runs it and returns the exit code, ``None`` for 0; the first line of its
            docstring is the verb's help.
        presets: folder with presets for the verb.
    """

    config_class: type[Any]
    function: Callable[[Any], int | None]
    presets: str | None = None

    @property
    def summary(self) -> str:
        """One line for lists of verbs."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


def usages_of(command: str, verbs: Mapping[str, Verb]) -> tuple[Usage[Any], ...]:
    """Return the usages of a command with verbs, one for each."""
    return tuple(
        Usage(f"{command} {name}", verb.config_class, verb.presets, summary=verb.summary)
        for name, verb in verbs.items()
    )


def run_verbs(command: str, argv: Sequence[str], verbs: Mapping[str, Verb]) -> int:
    """Run the verb at the beginning of the command line and return its exit code.

    Args:
        command: name of the command.
        argv: words after the command.
        verbs: name to verb.

    Raises:
        AutodasError: if the verb is unknown; the message suggests the nearest.
    """
    if not argv or argv[0].startswith("-"):
        if wants(argv, *HELP):
            print(_help(command, verbs), end="")
            return 0
        raise AutodasError(f"'{command}' requires one of: {', '.join(verbs)}")
    if argv[0] not in verbs:
        raise AutodasError(f"'{command}' has no '{argv[0]}'{nearest(argv[0], list(verbs))}")
    (usage,) = usages_of(command, {argv[0]: verbs[argv[0]]})
    return verbs[argv[0]].function(usage.parse(argv[1:])) or 0


def _help(command: str, verbs: Mapping[str, Verb]) -> str:
    width = max(map(len, verbs))
    lines = [f"usage: autodas {command} {{{','.join(verbs)}}} ...", ""]
    lines += [f"  {name:{width}}  {verb.summary}" for name, verb in verbs.items()]
    return "\n".join([*lines, "", f"See autodas {command} VERB --help for details.", ""])
