"""What a training takes over from the run whose network it trains: the data, and the preset that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autodas.cli._arguments import peek, wants
from autodas.cli._layers import Layer, document_layers, options_layer, read_documents
from autodas.cli._schema import Schema, describe
from autodas.errors import AutodasError
from autodas.strict_yaml import read_yaml
from autodas.train_command import data_words


def words_of_run(config_class: type, argv: Sequence[str]) -> list[str]:
    """Return the options that a command line of ``autodas train RUN`` leaves to that run.

    Without ``--data`` these are the data of the run, with all their options; without ``--preset`` and
    ``--config`` the preset that belongs to that of the search. They are to stand before the words of the
    command line, which then win.

    Args:
        config_class: the configuration of ``autodas train``.
        argv: the words after the command.

    Raises:
        AutodasError: if a preset names other data than the run has, and no ``--data`` says which are meant.
    """
    if wants(argv, "-h", "--help"):
        return []
    schema = describe(config_class)
    said = options_layer(argv, schema, True)
    run = said["genotype"].value if "genotype" in said else ""
    settings = _settings_of(Path(str(run)))
    documents = read_documents(argv, "train")
    for document in documents:
        if not document.is_preset:
            said |= _keys(document_layers(document, config_class, schema))
    words: list[str] = []
    own, given = settings.get("train_preset"), peek(argv, "preset")[-1:]
    if isinstance(own, str) and not given and not peek(argv, "config"):
        words.append(f"--preset={own}")
    preset = _keys(
        layer
        for document in read_documents([*words, *argv], "train")
        if document.is_preset
        for layer in document_layers(document, config_class, schema)
    )
    foreign = bool(given) and given != [own]
    if not foreign:
        words += _skeleton(settings, said, preset, schema)
    data = settings.get("data")
    if "data.name" in said or not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
        return words
    named = str(preset["data.name"].value) if "data.name" in preset else data["name"]
    if foreign and named.partition(":")[0] != data["name"].partition(":")[0]:
        raise AutodasError(
            f"preset '{given[0]}' is for {named}, but {run} has {data['name']}: say which with --data"
        )
    return [*words, *_without(data_words(data), said)]


def _settings_of(folder: Path) -> dict[Any, Any]:
    """Return the configuration of a run; empty where there is none."""
    try:
        text = (folder / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        return {}
    return read_yaml(text, str(folder / "config.yaml"))


def _keys(layers: Any) -> Layer:
    found: Layer = {}
    for layer in layers:
        found |= layer
    return found


def _skeleton(settings: Mapping[Any, Any], said: Layer, preset: Layer, schema: Schema) -> list[str]:
    """Return the skeleton of the search, where it is of another family: images, large images, videos."""
    space = settings.get("space")
    name = str(space.get("name", "")).partition("-")[0] if isinstance(space, Mapping) else ""
    key = "skeleton.name"
    usual = preset[key].value if key in preset else schema.leaves[key].default
    same = name.partition("_")[0] == str(usual).partition("_")[0]
    return [] if not name or same or key in said else [f"--{key}={name}"]


def _without(words: list[str], said: Layer) -> list[str]:
    """Return options and their values without those that are said elsewhere."""
    options: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            options.append([word])
        else:
            options[-1].append(word)
    return [word for option in options if option[0][2:].partition("=")[0] not in said for word in option]
