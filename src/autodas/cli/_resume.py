"""Resuming a run: expansion of ``--resume FOLDER``, and comparison of settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autodas.cli.config._configuration import parse
from autodas.cli.config._schema import tree
from autodas.errors import AutodasError
from autodas.runs.folder import CONFIGURATION, RunFolder
from autodas.strict_yaml import read_yaml_file, write_yaml

FREE = ("data.workers", "table", "train_preset")
"""Settings that do not affect the result of a run, and may differ when it is resumed."""


def resumed_words(argv: list[str]) -> list[str]:
    """Return the words of a command line with ``--resume FOLDER`` expanded.

    The run's own configuration comes first, and ``--run`` is set to the folder.

    Raises:
        AutodasError: if the folder does not hold a run.
    """
    for position, word in enumerate(argv):
        if word == "--resume" and position + 1 < len(argv):
            value = argv[position + 1]
        elif word.startswith("--resume="):
            value = word.partition("=")[2]
        else:
            continue
        if value in ("auto", "never"):
            return argv
        configuration = Path(value) / CONFIGURATION
        if not os.path.exists(configuration):
            made = ": it was made in Python, and goes on there with Keeping(resume=True)"
            raise AutodasError(f"{value}: holds no run to resume{made if RunFolder(value).exists else ''}")
        settings_of_run(configuration)
        return ["--config", str(configuration), "--run", value, *argv]
    return argv


def settings_of_run(path: Path) -> dict[Any, Any]:
    """Return the settings in the ``config.yaml`` of a run.

    Raises:
        AutodasError: if the file is unreadable, damaged or empty.
    """
    settings = read_yaml_file(str(path))
    if not settings:
        raise AutodasError(f"{path}: empty or damaged: it holds no settings of a run")
    return settings


def difference(command: str, path: Path, wanted: Any) -> str:
    """Return the first difference between a saved configuration and another, empty for none.

    Settings missing from a file of an older version take their defaults, which is reported on standard error.

    Args:
        command: command of the configuration.
        path: file of the saved configuration.
        wanted: configuration to compare with.

    Raises:
        AutodasError: if the file is not a configuration of this version.
    """
    written = flat(settings_of_run(path))
    saved = parse(command, type(wanted), [f"--config={path}"], presets=command)
    there, here = ({k: v for k, v in flat(tree(c)).items() if k not in FREE} for c in (saved, wanted))
    missing = [_setting(key, there) for key in there if key not in written]
    for key in dict.fromkeys([*there, *here]):
        if key not in there or key not in here or there[key] != here[key]:
            return f"{_setting(key, there)} there, {_setting(key, here)} here"
    if missing:
        print(f"{path}: written by another version; using default {', '.join(missing)}", file=sys.stderr)
    return ""


def _setting(key: str, values: Mapping[str, Any]) -> str:
    return write_yaml({key: values[key]}).strip() if key in values else f"no {key}"


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested mapping by dotted key."""
    values: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return values
