"""Sources of a configuration: the values set by each, by dotted key, and the alternative they choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autodas.cli.config._arguments import peek, read_arguments
from autodas.cli.config._schema import ChoiceField, Leaf, Schema, choice_field, describe
from autodas.cli.config._values import convert, expected, show
from autodas.errors import AutodasError, nearest
from autodas.limits import largest
from autodas.presets import read_preset
from autodas.strict_yaml import read_yaml, read_yaml_file
from autodas.user_code import is_user_code


@dataclass(frozen=True)
class Setting:
    """Value set by a source.

    Args:
        value: value as the user wrote it.
        label: its place, for error messages: ``--epochs``, or ``my.yaml: epochs``.
        from_text: whether it comes from the command line.
    """

    value: Any
    label: str
    from_text: bool = False

    def convert(self, leaf: Leaf) -> Any:
        """Return the value converted to the type of its field.

        Raises:
            AutodasError: if the value does not have that type, or a number is too large.
        """
        items = self.value if self.from_text and isinstance(self.value, list) else None
        wrong = AutodasError(f"{self.label}: expected {expected(leaf.hint)}, found {show(self.value)}")
        try:
            value = convert(leaf.hint, self.value, self.from_text and items is None)
        except ValueError:
            raise wrong from None
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise wrong
            if isinstance(number, int | float):
                most = largest(leaf.name, isinstance(number, int))
                if abs(number) > most:
                    raise AutodasError(
                        f"{self.label}: {show(number)} is too large, at most {most:,} is possible"
                    )
        return value


Layer = dict[str, Setting]


@dataclass(frozen=True)
class Document:
    """Preset or configuration file."""

    label: str
    content: dict[Any, Any]
    is_preset: bool = False


def read_documents(argv: Sequence[str], presets: str) -> list[Document]:
    """Read the preset and the configuration files named on a command line, lowest precedence first."""
    documents = []
    for name in peek(argv, "preset")[-1:]:
        label = f"preset '{name}'"
        documents.append(Document(label, read_yaml(read_preset(presets, name), label), is_preset=True))
    for path in peek(argv, "config"):
        documents.append(Document(path, read_yaml_file(path)))
    return documents


def choose(config_class: type, argv: Sequence[str], documents: Sequence[Document]) -> str | None:
    """Return the canonical name of the alternative chosen by the source of highest precedence that names one.

    ``None`` if the configuration holds no choice.
    """
    choice = choice_field(config_class)
    if choice is None:
        return None
    key = choice.key
    if names := peek(argv, key, f"{key}.name"):
        return _resolve(choice, names[-1], f"--{key}")[0]
    for document in reversed(documents):
        if (name := _name_in(document, key)) is not None:
            return _resolve(choice, name, f"{document.label}: {key}")[0]
    return choice.default


def document_layers(document: Document, config_class: type, schema: Schema) -> list[Layer]:
    """Return the values set by a document, lowest precedence first.

    Raises:
        AutodasError: if it has an unknown key.
    """
    choice = schema.choice
    if choice is None:
        return [_flatten(document.content, schema, document.label)]
    key, content = choice.key, dict(document.content)
    entries = content.pop(choice.kind.words, None)
    layers = _per_alternative(choice, entries, document.label, config_class, schema)
    if not document.is_preset:
        return [*layers, _flatten(content, schema, document.label)]
    own_name = _name_in(document, key)
    own = choice.default if own_name is None else _resolve(choice, own_name, document.label)[0]
    layer = _flatten(content, describe(config_class, own), document.label)
    if own != schema.chosen:
        # The preset's settings belong to another alternative. They are not the user's own: dropped.
        layer = {name: setting for name, setting in layer.items() if not name.startswith(f"{key}.")}
    return [*layers, layer]


def options_layer(argv: Sequence[str], schema: Schema, with_files: bool) -> Layer:
    """Return the values set on the command line."""
    arguments = read_arguments(argv, schema, with_files)
    return {key: Setting(value, arguments.labels[key], True) for key, value in arguments.values.items()}


def expand_aliases(layer: Layer, schema: Schema) -> Layer:
    """Add the settings implied by the name of an alternative: the strategy ``sdas-b`` sets the schedule.

    Raises:
        AutodasError: if the same source contradicts them.
    """
    choice = schema.choice
    name = layer.get(f"{choice.key}.name") if choice is not None else None
    if choice is None or name is None or not isinstance(name.value, str):
        return layer
    canonical, fixed = _resolve(choice, name.value, name.label)
    if canonical != schema.chosen:
        return layer
    expanded = dict(layer)
    for setting, value in fixed.items():
        key = f"{choice.key}.{setting}"
        if key in layer and (said := layer[key].convert(schema.leaves[key])) != value:
            raise AutodasError(
                f"{layer[key].label}: '{name.value}' means {setting} {show(value)}, but {show(said)} is given"
            )
        expanded[key] = Setting(value, name.label)
    return expanded


def _per_alternative(
    choice: ChoiceField, entries: Any, label: str, config_class: type, schema: Schema
) -> list[Layer]:
    """Return the settings of the chosen alternative, of a document's settings for several."""
    if entries is None:
        return []
    key, alternatives = choice.kind.words, choice.kind.alternatives()
    if not isinstance(entries, dict):
        raise AutodasError(f"{label}: {key}: expected a mapping, found {show(entries)}")
    layers = []
    for name, entry in entries.items():
        if name not in alternatives and not is_user_code(str(name)):
            hint = nearest(str(name), list(alternatives))
            raise AutodasError(f"{label}: {key}: unknown {choice.kind.word} '{name}'{hint}")
        # Check unused entries as well, so that mistakes in them do not go unnoticed.
        place = f"{label}: {key}.{name}"
        if not isinstance(entry, dict):
            raise AutodasError(f"{place}: expected a mapping of settings, found {show(entry)}")
        layer = _flatten({choice.key: entry}, describe(config_class, name), place)
        if f"{choice.key}.name" in layer:
            raise AutodasError(f"{place}: 'name' is not a setting")
        if name == schema.chosen:
            layers.append(layer)
    return layers


def _flatten(content: dict[Any, Any], schema: Schema, label: str) -> Layer:
    layer: Layer = {}

    def put(key: str, value: Any) -> None:
        if key in layer:
            raise AutodasError(f"{label}: '{key}' appears twice")
        layer[key] = Setting(value, f"{label}: {key}")

    def walk(node: dict[Any, Any], prefix: str) -> None:
        for name, value in node.items():
            key = f"{prefix}{name}"
            if key in schema.leaves:
                put(key, value)
            elif key in schema.short_forms and key not in schema.groups:
                put(schema.short_forms[key], value)
            elif key not in schema.groups:
                raise AutodasError(f"{label}: unknown key '{key}'{schema.unknown(key)}")
            elif isinstance(value, dict):
                walk(value, f"{key}.")
            elif value is not None and key not in schema.short_forms:
                raise AutodasError(f"{label}: {key}: expected a mapping, found {show(value)}")
            elif value is not None:
                put(schema.short_forms[key], value)

    walk(content, "")
    return layer


def _name_in(document: Document, key: str) -> str | None:
    """Return the alternative named in a document; malformed entries are reported when it is flattened."""
    node = document.content.get(key)
    name = node.get("name") if isinstance(node, dict) else node
    name = document.content.get(f"{key}.name") if name is None else name
    return name if isinstance(name, str) else None


def _resolve(choice: ChoiceField, name: str, label: str) -> tuple[str, dict[str, Any]]:
    try:
        return choice.kind.resolve(name)
    except AutodasError as error:
        raise AutodasError(f"{label}: {error}") from None
