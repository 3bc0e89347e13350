"""The page that ``--help`` prints."""

from __future__ import annotations

import argparse
import shutil
from typing import Any

from autodas.cli.config._schema import Leaf, Schema
from autodas.cli.config._values import is_switch, placeholder, show, takes_list
from autodas.presets import preset_names


def format_help(command: str, config_class: type, schema: Schema, presets: str | None) -> str:
    """Return the help of a command: its usage, then every option with type and default, by group."""
    parser = argparse.ArgumentParser(
        prog=f"autodas {command}",
        usage=_escape(_usage(command, schema, presets)),
        description=_escape(_first_paragraph(config_class)),
        add_help=False,
        formatter_class=lambda prog: argparse.HelpFormatter(
            prog, max_help_position=34, width=min(shutil.get_terminal_size().columns, 110) - 2
        ),
    )
    descriptions = {owner: _field_help(owner) for owner in {leaf.owner for leaf in schema.leaves.values()}}
    groups: dict[str, Any] = {}
    # Arguments first, then options outside groups.
    for leaf in sorted(schema.leaves.values(), key=lambda leaf: (not leaf.positional, "." in leaf.key)):
        parent = leaf.key.rpartition(".")[0]
        title = "arguments" if leaf.positional else parent or "options"
        if title not in groups:
            groups[title] = parser.add_argument_group(title, _escape(_about(parent, schema)) or None)
        text = leaf.metadata.get("help") or descriptions[leaf.owner].get(leaf.name, "")
        _add(groups[title], leaf, schema, _escape(f"{text}{_default(leaf)}"))
    general = parser.add_argument_group("general")
    if presets is not None:
        names = ", ".join(preset_names(presets)) or "none"
        general.add_argument(
            "--preset", metavar="NAME", help=_escape(f"start from a shipped preset: {names}")
        )
        general.add_argument("--config", metavar="FILE", help="YAML file with any of the options as keys")
        general.add_argument(
            "--print_config", action="store_true", help="print the effective settings as YAML"
        )
    general.add_argument("--debug", action="store_true", help="show the traceback of an error")
    general.add_argument("-h", "--help", action="store_true", help="show this page")
    return parser.format_help()


def _add(group: Any, leaf: Leaf, schema: Schema, text: str) -> None:
    if leaf.positional:
        group.add_argument(leaf.key, metavar=leaf.metavar, nargs="*" if leaf.variadic else None, help=text)
        return
    names = [f"--{short}" for short, key in schema.short_forms.items() if key == leaf.key]
    names = [*filter(None, [leaf.metadata.get("short")]), *(names or [f"--{leaf.key}"])]
    if is_switch(leaf.hint) and leaf.default is False:
        group.add_argument(*names, action="store_true", help=text)
    else:
        metavar = leaf.metadata.get("metavar") or (
            "NAME" if names[0] != f"--{leaf.key}" and leaf.name == "name" else placeholder(leaf.hint)
        )
        group.add_argument(*names, metavar=metavar, help=text)


def _usage(command: str, schema: Schema, presets: str | None) -> str:
    words = [f"autodas {command}"]
    for leaf in schema.positionals:
        word = f"{leaf.metavar}..." if leaf.variadic else leaf.metavar
        words.append(word if leaf.required or leaf.metadata.get("nargs") == "+" else f"[{word}]")
    if presets is not None:
        words.append("[--preset NAME] [--config FILE]")
    return " ".join([*words, "[options]"])


def _default(leaf: Leaf) -> str:
    if leaf.required:
        return "" if leaf.positional else " (required)"
    if leaf.default is None or leaf.default is False:
        return ""
    default = leaf.default
    if takes_list(leaf.hint) and isinstance(default, list | tuple):
        text = ",".join(map(str, default))
    else:
        text = default if isinstance(default, str) else show(default)
    # With spaces, so that long lists are broken between names.
    return f" (default: {text.replace(',', ', ')})" if text else ""


def _about(group: str, schema: Schema) -> str:
    if group not in schema.groups:
        return ""
    if schema.choice is not None and group == schema.choice.key:
        description = schema.choice.kind.description(schema.chosen or "")
        about = f"Settings of {schema.chosen}: {description}."
        return f"{about} For those of another: --{group} NAME --help."
    return _first_paragraph(schema.groups[group])


def _first_paragraph(documented: type) -> str:
    text = documented.__doc__ or ""
    # A dataclass without a docstring has its signature as __doc__.
    return "" if text.startswith(f"{documented.__name__}(") else " ".join(text.split("\n\n")[0].split())


def _field_help(owner: type) -> dict[str, str]:
    """Return the help of a class's fields, from ``Args:`` and from the strings below fields."""
    import docstring_parser

    texts: dict[str, str] = {}
    for base in reversed(owner.__mro__[:-1]):
        for parameter in docstring_parser.parse_from_object(base).params:
            texts[parameter.arg_name] = " ".join((parameter.description or "").split()).removesuffix(".")
    return texts


def _escape(text: str) -> str:
    return text.replace("%", "%%")
