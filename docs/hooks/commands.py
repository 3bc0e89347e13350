"""Hook of the documentation build: the reference of commands, made from what the commands read."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from autodas.cli.config._help import usage_line
from autodas.cli.config._options import Option, about_group, general_options, options_of
from autodas.cli.config._schema import Schema, describe
from autodas.cli.config._usage import Usage
from autodas.cli.main import COMMANDS
from autodas.cli.usages import all_usages
from autodas.presets import preset_names, read_preset

MARK = "<!-- commands -->"
SIGNS = re.compile(r"([\\*_<>`\[\]])")


def on_page_markdown(markdown: str, **more: Any) -> str:
    """Replace the mark on the page of commands."""
    return markdown.replace(MARK, reference()) if MARK in markdown else markdown


def reference() -> str:
    """Return the reference of all commands as Markdown."""
    return "\n".join(line for name, usages in all_usages().items() for line in _command(name, usages))


def _command(name: str, usages: Iterable[Usage[Any]]) -> Iterator[str]:
    for usage in usages:
        schema = describe(usage.config_class)
        yield f"\n## autodas {usage.command}{f' ({usage.given})' if usage.given else ''}\n"
        yield f"```\n{usage_line(usage.command, schema, usage.presets)}\n```\n"
        yield f"{_text(_description(usage) or COMMANDS[name][1])}\n"
        options = [*options_of(schema), *general_options(usage.presets, bool(usage.common))]
        if schema.choice is not None:
            options = [option for option in options if not _is_setting(option, schema)]
        yield from _groups(options, schema)
        if schema.choice is not None:
            yield from _alternatives(usage, schema)
        if usage.presets is not None and not usage.given:
            yield from _presets(usage.presets)


def _description(usage: Usage[Any]) -> str:
    """Return the docstring of a configuration up to its arguments."""
    text = inspect.getdoc(usage.config_class) or ""
    return " ".join(text.partition("\nArgs:")[0].split())


def _groups(options: Iterable[Option], schema: Schema) -> Iterator[str]:
    groups = defaultdict(list)
    for option in options:
        groups[option.group].append(option)
    for group, members in groups.items():
        about = "" if schema.choice is not None and group == schema.choice.key else about_group(group, schema)
        yield f"**{group}**{f': {_text(about)}' if about else ''}\n"
        yield from map(_item, members)
        yield ""


def _alternatives(usage: Usage[Any], schema: Schema) -> Iterator[str]:
    """Yield the settings of each alternative of a choice: first those that are the same for all."""
    assert schema.choice is not None
    kind = schema.choice.kind
    settings = {}
    for name in kind.alternatives():
        own = describe(usage.config_class, name)
        settings[name] = [_item(option) for option in options_of(own) if _is_setting(option, own)]
    shared = set.intersection(*map(set, settings.values()))
    first = next(iter(settings.values()))
    yield f"**Settings of every {kind.word}**\n"
    yield from [item for item in first if item in shared]
    for name, items in settings.items():
        yield f"\n**Settings of {name}**: {_text(kind.description(name))}\n"
        yield from [item for item in items if item not in shared] or ["none of its own"]
    yield ""


def _is_setting(option: Option, schema: Schema) -> bool:
    choice, leaf = schema.choice, option.leaf
    return choice is not None and leaf is not None and option.group == choice.key and leaf.name != "name"


def _item(option: Option) -> str:
    names = option.names or (option.metavar,)
    value = f" {option.metavar}" if option.names and option.metavar else ""
    spelled = ", ".join(f"`{name}`" for name in names[:-1]) + (", " if names[1:] else "")
    default = f" Default: `{option.default}`." if option.default else ""
    if option.leaf is not None and option.leaf.required and option.names:
        default = " Required."
    text = f": {_text(option.help)}." if option.help else ""
    return f"- {spelled}`{names[-1]}{value}`{text}{default}"


def _presets(folder: str) -> Iterator[str]:
    yield "**Presets** (`--preset NAME`), with what they set:\n"
    for name in preset_names(folder):
        lines = read_preset(folder, name).splitlines()
        count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        about = " ".join(line.removeprefix("#").strip() for line in lines[:count])
        yield "\n".join([f"`{name}`: {_text(about)}\n", "```yaml", *lines[count:], "```\n"])


def _text(text: str) -> str:
    """Return a text for Markdown: options as code, and nothing else that it would take for marks."""
    parts = re.split(r"(--[a-zA-Z][\w.-]*\w)", " ".join(text.split()))
    return "".join(
        f"`{part}`" if i % 2 else re.sub(r"([\\*_<>`\[\]])", r"\\\1", part) for i, part in enumerate(parts)
    )
