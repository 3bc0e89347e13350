"""Configuration from four sources: defaults, preset, configuration files, options.

A command declares its configuration as a frozen dataclass, with nested dataclasses for its parts. The fields
are both the keys of the YAML file and the options of the command line (``--optim.lr``). The metadata of a
field are optional: ``field(metadata={"positional": True})`` (a list takes all remaining arguments;
``"nargs": "+"`` requires at least one), ``"short": "-o"``, ``"metavar"``, ``"help"``. By default, help is
taken from the docstrings. A part with a field ``name`` can be given by name alone: ``--data digits``. A field
with the metadata ``{"flag": "task"}`` has that option without the name of its part: ``--task``. A field of
type :class:`~autodas.choice.Choice` holds the name of an alternative and its settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from autodas.cli.config._arguments import ALL, HELP, peek, wants
from autodas.cli.config._layers import (
    Layer,
    choose,
    document_layers,
    expand_aliases,
    options_layer,
    read_documents,
)
from autodas.cli.config._schema import Schema, build, choice_field, describe, tree
from autodas.errors import AutodasError
from autodas.strict_yaml import write_yaml

T = TypeVar("T")


def parse(
    command: str,
    config_class: type[T],
    argv: Sequence[str],
    *,
    presets: str | None = None,
    common: Sequence[str] = (),
) -> T:
    """Return the configuration of a command.

    Later sources take precedence: defaults, ``--preset``, ``--config``, options. ``--help`` and
    ``--print_config`` print and raise ``SystemExit(0)``.

    Args:
        command: name of the command, for help and messages.
        config_class: frozen dataclass of the configuration.
        argv: words after the command.
        presets: name of the folder with presets for the command. Without it the command has no
            ``--preset``, ``--config`` and ``--print_config``.
        common: keys of the options that ``--help`` shows; all if there are none.

    Raises:
        AutodasError: if the command line or a file is invalid; the message is one line.
    """
    if wants(argv, *HELP):
        from autodas.cli.config._help import format_help

        schema = describe(config_class, _choice_for_help(config_class, argv))
        print(format_help(command, config_class, schema, presets, common, whole=wants(argv, ALL)), end="")
        raise SystemExit(0)
    printing = presets is not None and wants(argv, "--print_config")
    documents = [] if presets is None else read_documents(argv, presets)
    schema = describe(config_class, choose(config_class, argv, documents))
    layers = [layer for document in documents for layer in document_layers(document, config_class, schema)]
    layers.append(options_layer(argv, schema, presets is not None))
    values = _merge(layers, schema)
    missing = [
        leaf
        for key, leaf in schema.leaves.items()
        if key not in values or (leaf.metadata.get("nargs") == "+" and not values[key])
    ]
    if printing:
        # Missing required values are printed as null: the output is a form to fill in.
        print(
            write_yaml(_nested(schema, values)) if missing else dump(build(config_class, schema, values)),
            end="",
        )
        raise SystemExit(0)
    if missing:
        raise AutodasError(f"{_spelling(missing[0].key, schema)} is required; see 'autodas {command} --help'")
    return build(config_class, schema, values)


def given(config_class: type, argv: Sequence[str]) -> dict[str, str]:
    """Return the texts set on the command line of a command without presets, by dotted key."""
    layer = options_layer(argv, describe(config_class, choose(config_class, argv, [])), False)
    return {key: str(setting.value) for key, setting in layer.items()}


def read_preset_configuration(config_class: type[T], presets: str, name: str, argv: Sequence[str] = ()) -> T:
    """Return the configuration described by a preset of another command.

    Args:
        config_class: configuration class of the command to which the preset belongs.
        presets: folder of the preset.
        name: name of the preset.
        argv: options for values that the class requires and the preset lacks.

    Raises:
        AutodasError: if there is no such preset.
    """
    return parse(presets, config_class, [f"--preset={name}", *argv], presets=presets)


def dump(config: Any) -> str:
    """Return a complete configuration as YAML, from which ``--config`` restores it exactly."""
    return write_yaml(tree(config))


def _merge(layers: Sequence[Layer], schema: Schema) -> dict[str, Any]:
    """Return the typed value of every key that has one."""
    values = {key: leaf.default for key, leaf in schema.leaves.items() if not leaf.required}
    for layer in layers:
        for key, setting in expand_aliases(layer, schema).items():
            values[key] = setting.convert(schema.leaves[key])
    if schema.choice is not None and schema.chosen is not None:
        values[f"{schema.choice.key}.name"] = schema.chosen
    return values


def _nested(schema: Schema, values: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key in schema.leaves:
        *parents, name = key.split(".")
        node = document
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = values.get(key)
    return document


def _spelling(key: str, schema: Schema) -> str:
    """Return the spelling of a key on the command line."""
    leaf = schema.leaves[key]
    if leaf.positional:
        return leaf.metavar
    short = next((group for group, name in schema.short_forms.items() if name == key), key)
    return f"--{short}"


def _choice_for_help(config_class: type, argv: Sequence[str]) -> str | None:
    """Return the alternative whose settings help shows; the default one if its name is invalid."""
    choice = choice_field(config_class)
    if choice is None:
        return None
    try:
        return choice.kind.resolve(peek(argv, choice.key, f"{choice.key}.name")[-1])[0]
    except (IndexError, AutodasError):
        return choice.default
