"""Usage of a command: what its command line looks like. Light, to be read without parsing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Usage(Generic[T]):
    """Usage of a command: its words, and the configuration that they are read into.

    Parsing, help, shell completion and the reference of commands all come from here.

    Args:
        command: words of the command, such as ``zoo show``.
        config_class: dataclass of the configuration.
        presets: name of the folder with presets, if it has any.
        given: option that selects this usage among those of the command, such as ``--task detection``, or
            in words what does.
        forwarded: commands whose options it takes with their name as prefix: ``--search.epochs``.
        withheld: options of these commands that it sets itself.
        summary: one line for lists of commands.
        common: keys of the options that ``--help`` shows, in its order; all if there are none. The others are
            left to ``--help-all``.
    """

    command: str
    config_class: type[T]
    presets: str | None = None
    given: str = ""
    forwarded: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    summary: str = ""
    common: tuple[str, ...] = ()

    def parse(self, argv: Sequence[str]) -> T:
        """Return the configuration for the words after the command.

        Raises:
            AutodasError: if the command line or a file is invalid; the message is one line.
        """
        from autodas.cli.config._configuration import parse

        return parse(self.command, self.config_class, argv, presets=self.presets, common=self.common)
