"""User modules whose operations a genotype may name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autodas.cli._resume import settings_of_run
from autodas.errors import AutodasError
from autodas.reading import known
from autodas.runs.folder import CONFIGURATION
from autodas.user_code import allow_code, is_user_code, module_of


def allow_code_for(code: Sequence[str], *references: str | None) -> None:
    """Allow the modules named on the command line and in the configurations of runs.

    Args:
        code: modules named on the command line.
        references: run folders, or files in them; other references to networks and genotypes have no
            configuration and are skipped.
    """
    allow_code(*code)
    for reference in filter(None, references):
        path = Path(reference)
        folder = path if os.path.isdir(path) else path.parent
        if os.path.exists(path) and os.path.isfile(folder / CONFIGURATION):
            try:
                allow_code(*code_of(settings_of_run(folder / CONFIGURATION)))
            except AutodasError:
                continue  # The command reports the damage if it needs the configuration.


def code_of(settings: Mapping[Any, Any]) -> list[str]:
    """Return the modules named in a run's configuration: in ``code``, and of operations and task."""
    code, operations = known(settings, ["code"]), known(settings, ["space", "operations"])
    named = [name for name in code if isinstance(name, str)] if isinstance(code, list) else []
    own = [*(operations if isinstance(operations, list) else []), known(settings, ["data", "task"])]
    named += [module_of(name) for name in own if isinstance(name, str) and is_user_code(name)]
    return list(dict.fromkeys(named))
