"""Options that a training inherits from the run whose network it trains: the data and the matching preset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autodas.cli._code import code_of
from autodas.cli._resume import settings_of_run
from autodas.cli.config._arguments import HELP, peek, wants
from autodas.cli.config._layers import Layer, document_layers, options_layer, read_documents
from autodas.cli.config._schema import Schema, describe
from autodas.errors import AutodasError
from autodas.reading import known
from autodas.runs.folder import CONFIGURATION
from autodas.train_command import data_words, option_words, skeleton_words


def words_of_run(config_class: type, argv: Sequence[str]) -> list[str]:
    """Return the options that ``autodas train RUN`` inherits from that run.

    Without ``--data`` these are the data of the run, with all their options. Without ``--preset`` and
    ``--config`` they include the training preset that matches the preset of a search run, or the settings
    of a training run. They go before the words of the command line, which take precedence.

    Args:
        config_class: configuration class of ``autodas train``.
        argv: words after the command.

    Raises:
        AutodasError: if a preset names other data than the run, or the genotype is not from a run, and
            ``--data`` is missing.
    """
    if wants(argv, *HELP):
        return []
    schema = describe(config_class)
    said = options_layer(argv, schema, True)
    run = said["genotype"].value if "genotype" in said else ""
    settings = _settings_of(Path(str(run)))
    documents = read_documents(argv, "train")
    for document in documents:
        if not document.is_preset:
            said |= _keys(document_layers(document, config_class, schema))
    code = code_of(settings)
    words = _without([f"--code={','.join(code)}"], said, schema) if code else []
    own, given = settings.get("train_preset"), peek(argv, "preset")[-1:]
    alone = not given and not peek(argv, "config")
    if alone and isinstance(own, str):
        words.append(f"--preset={own}")
    elif alone and "skeleton" in settings:
        words += _without(_settings_words(settings, schema), said, schema)
    preset = _keys(
        layer
        for document in read_documents([*words, *argv], "train")
        if document.is_preset
        for layer in document_layers(document, config_class, schema)
    )
    foreign = bool(given) and given != [own]
    if not foreign:
        words += _without(skeleton_words(settings), said, schema) + _skeleton(settings, said, preset, schema)
    data = settings.get("data")
    if "data.name" in said:
        return words
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
        if run and "data.name" not in preset and not wants(argv, "--print_config"):
            _refuse_without_data(str(run))
        return words
    named = str(preset["data.name"].value) if "data.name" in preset else data["name"]
    if foreign and named.partition(":")[0] != data["name"].partition(":")[0]:
        raise AutodasError(
            f"preset '{given[0]}' is for {named}, but {run} has {data['name']}: choose one with --data"
        )
    return [*words, *_without(data_words(data), said, schema)]


def _refuse_without_data(reference: str) -> None:
    """Raise AutodasError: what is to be trained is unknown, or no run, which would say on what."""
    from autodas.cli._blueprint import blueprint_of
    from autodas.cli._settings import SkeletonConfig

    if not os.path.exists(reference):
        blueprint_of(reference, SkeletonConfig(), None)
    raise AutodasError(
        f"--data is required: '{reference}' is not a run, whose data would be taken over; see "
        "'autodas data list'"
    )


def _settings_of(folder: Path) -> dict[Any, Any]:
    """Return the configuration of a run; empty if it has none."""
    path = folder / CONFIGURATION
    return settings_of_run(path) if os.path.isfile(path) else {}


def _settings_words(settings: Mapping[Any, Any], schema: Schema) -> list[str]:
    """Return the options of a training that differ from their defaults, except data and machine."""
    words = []
    for key, leaf in schema.leaves.items():
        if leaf.positional or key.partition(".")[0] in ("code", "data", "compute", "weights"):
            continue
        value = known(settings, key.split("."))
        if value is not None and value != leaf.default:
            words += option_words(key, value)
    return words


def _keys(layers: Any) -> Layer:
    merged: Layer = {}
    for layer in layers:
        merged |= layer
    return merged


def _skeleton(settings: Mapping[Any, Any], said: Layer, preset: Layer, schema: Schema) -> list[str]:
    """Return the skeleton of the search if it belongs to another family: images, large images, videos."""
    space = settings.get("space")
    name = str(space.get("name", "")).partition("-")[0] if isinstance(space, Mapping) else ""
    key = "skeleton.name"
    usual = preset[key].value if key in preset else schema.leaves[key].default
    same = name.partition("_")[0] == str(usual).partition("_")[0]
    return [] if not name or same or key in said else [f"--{key}={name}"]


def _without(words: list[str], said: Layer, schema: Schema) -> list[str]:
    """Return options and their values, except those given elsewhere."""
    options: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            options.append([word])
        else:
            options[-1].append(word)
    keys = [option[0][2:].partition("=")[0] for option in options]
    kept = (o for o, key in zip(options, keys, strict=True) if schema.short_forms.get(key, key) not in said)
    return [word for option in kept for word in option]
