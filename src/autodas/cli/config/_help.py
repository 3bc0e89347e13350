"""The page that ``--help`` prints."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autodas.cli.config._options import Option, about_group, first_paragraph, general_options, options_of
from autodas.cli.config._schema import Schema


def format_help(
    command: str,
    config_class: type,
    schema: Schema,
    presets: str | None,
    common: Sequence[str] = (),
    whole: bool = True,
) -> str:
    """Return the help of a command: its usage, then options with type and default.

    Args:
        command: name of the command.
        config_class: class of its configuration.
        schema: schema of this class.
        presets: folder with presets for the command, ``None`` if it has none.
        common: keys of its common options; none if all are.
        whole: whether to show all options, by group, rather than these and what is required.
    """
    options, shortened = options_of(schema), bool(common)
    if shortened and not whole:
        options = _common(options, common)
    parser = argparse.ArgumentParser(
        prog=f"autodas {command}",
        usage=_escape(usage_line(command, schema, presets)),
        description=_escape(first_paragraph(config_class)),
        add_help=False,
        formatter_class=lambda prog: argparse.HelpFormatter(
            prog, max_help_position=34, width=min(shutil.get_terminal_size().columns, 110) - 2
        ),
    )
    groups: dict[str, Any] = {}
    for option in [*options, *general_options(presets, shortened)]:
        if option.group not in groups:
            about = _escape(about_group(option.group, schema))
            groups[option.group] = parser.add_argument_group(option.group, about or None)
        _add(groups[option.group], option)
    if shortened and not whole:
        of_another = (
            "" if schema.choice is None else f"; of another {schema.choice.key}: --{schema.choice.key} NAME"
        )
        parser.epilog = f"All options: the same with --help-all{of_another}"
    return parser.format_help()


def _common(options: Sequence[Option], common: Sequence[str]) -> list[Option]:
    """Return the arguments, then the options that are required or common, as one group in this order."""
    arguments = [option for option in options if not option.names]
    named = {option.leaf.key: option for option in options if option.names and option.leaf is not None}
    required = [key for key, option in named.items() if option.leaf is not None and option.leaf.required]
    keys = dict.fromkeys([*required, *common])
    return [*arguments, *(replace(named[key], group="common options") for key in keys)]


def usage_line(command: str, schema: Schema, presets: str | None) -> str:
    """Return a command with its arguments, in brackets where they may be omitted."""
    words = [f"autodas {command}"]
    for leaf in schema.positionals:
        word = f"{leaf.metavar}..." if leaf.variadic else leaf.metavar
        words.append(word if leaf.required or leaf.metadata.get("nargs") == "+" else f"[{word}]")
    if presets is not None:
        words.append("[--preset NAME] [--config FILE]")
    return " ".join([*words, "[options]"])


def _add(group: Any, option: Option) -> None:
    text = _escape(option.description)
    if option.leaf is not None and option.leaf.positional:
        nargs = "*" if option.leaf.variadic else None
        group.add_argument(option.leaf.key, metavar=option.metavar, nargs=nargs, help=text)
    elif option.metavar:
        group.add_argument(*option.names, metavar=option.metavar, help=text)
    else:
        group.add_argument(*option.names, action="store_true", help=text)


def _escape(text: str) -> str:
    return text.replace("%", "%%")
