"""Arguments and options of a command, as its users see them: the source of help, completion and reference."""

from __future__ import annotations

from dataclasses import dataclass

from autodas.cli.config._schema import Leaf, Schema
from autodas.cli.config._values import is_switch, placeholder, show, takes_list
from autodas.presets import preset_names


@dataclass(frozen=True)
class Option:
    """Argument or option as its users see it.

    Args:
        names: its spellings, such as ``-o`` and ``--output``; none for a positional argument.
        metavar: placeholder of its value; empty for an option without a value.
        help: what it does.
        default: default as text; empty if there is none worth telling.
        group: dotted name of its part of the configuration; ``arguments``, ``options`` or ``general``.
        leaf: its place in the configuration; ``None`` for those that every command has.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    default: str = ""
    group: str = "general"
    leaf: Leaf | None = None

    @property
    def description(self) -> str:
        """What it does, and its default."""
        if self.leaf is not None and self.leaf.required and self.names:
            return f"{self.help} (required)"
        # With spaces, so that long lists are broken between names.
        return f"{self.help} (default: {self.default.replace(',', ', ')})" if self.default else self.help


def options_of(schema: Schema) -> list[Option]:
    """Return the arguments, then the options outside groups, then those of each group."""
    texts = {owner: _field_help(owner) for owner in {leaf.owner for leaf in schema.leaves.values()}}
    leaves = sorted(schema.leaves.values(), key=lambda leaf: (not leaf.positional, "." in leaf.key))
    return [_option(leaf, schema, texts[leaf.owner].get(leaf.name, "")) for leaf in leaves]


def general_options(presets: str | None, shortened: bool = False) -> list[Option]:
    """Return the options that are no part of a configuration.

    Args:
        presets: folder with presets for the command, ``None`` if it has none.
        shortened: whether its help is on common options alone.
    """
    ends = [
        Option(("--debug",), "", "show the traceback of an error"),
        Option(("-h", "--help"), "", "show the common options" if shortened else "show this page"),
    ]
    if shortened:
        ends.append(Option(("--help-all",), "", "show all options"))
    if presets is None:
        return ends
    names = ", ".join(preset_names(presets)) or "none"
    return [
        Option(("--preset",), "NAME", f"start from a shipped preset: {names}"),
        Option(("--config",), "FILE", "YAML file with any of the options as keys"),
        Option(("--print_config",), "", "print the effective settings as YAML"),
        *ends,
    ]


def first_paragraph(documented: type) -> str:
    """Return the first paragraph of a docstring as one line; empty if there is none."""
    text = documented.__doc__ or ""
    # A dataclass without a docstring has its signature as __doc__.
    return "" if text.startswith(f"{documented.__name__}(") else " ".join(text.split("\n\n")[0].split())


def about_group(group: str, schema: Schema) -> str:
    """Return the description of a group of options; empty for those that are none of the configuration."""
    if group not in schema.groups:
        return ""
    if schema.choice is not None and group == schema.choice.key:
        description = schema.choice.kind.description(schema.chosen or "")
        about = f"Settings of {schema.chosen}: {description}."
        return f"{about} For those of another: --{group} NAME --help-all."
    return first_paragraph(schema.groups[group])


def _option(leaf: Leaf, schema: Schema, text: str) -> Option:
    text = leaf.metadata.get("help") or text
    if leaf.positional:
        return Option((), leaf.metavar, text, _default(leaf), "arguments", leaf)
    names = [f"--{short}" for short, key in schema.short_forms.items() if key == leaf.key]
    names = [*filter(None, [leaf.metadata.get("short")]), *(names or [f"--{leaf.key}"])]
    if is_switch(leaf.hint) and leaf.default is False:
        metavar = ""
    else:
        metavar = leaf.metadata.get("metavar") or (
            "NAME" if names[0] != f"--{leaf.key}" and leaf.name == "name" else placeholder(leaf.hint)
        )
    group = leaf.key.rpartition(".")[0] or "options"
    return Option(tuple(names), metavar, text, _default(leaf), group, leaf)


def _default(leaf: Leaf) -> str:
    if leaf.required or leaf.default is None or leaf.default is False:
        return ""
    default = leaf.default
    if takes_list(leaf.hint) and isinstance(default, list | tuple):
        return ",".join(map(str, default))
    return default if isinstance(default, str) else show(default)


def _field_help(owner: type) -> dict[str, str]:
    """Return the help of a class's fields, from ``Args:`` and from the strings below fields."""
    import docstring_parser

    texts: dict[str, str] = {}
    for base in reversed(owner.__mro__[:-1]):
        for parameter in docstring_parser.parse_from_object(base).params:
            texts[parameter.arg_name] = " ".join((parameter.description or "").split()).removesuffix(".")
    return texts
