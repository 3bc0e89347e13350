"""Options that messages name exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import autodas
from autodas.cli.config._schema import describe
from autodas.cli.usages import all_usages
from autodas.strategies.settings import STRATEGIES

pytestmark = pytest.mark.slow

SOURCE = Path(autodas.__file__).parent
GENERAL = {"preset", "config", "print_config", "help", "help_all", "version", "debug"}


def options() -> set[str]:
    """Return the options of all commands."""
    found = set(GENERAL)
    for usages in all_usages().values():
        for usage in usages:
            for strategy in STRATEGIES:
                schema = describe(usage.config_class, strategy)
                found |= {*schema.leaves, *schema.short_forms, *schema.groups}
    return found


OF_OTHERS = re.compile(r"ray start --head|#SBATCH .*|pip install [^;]*|docker run .*")
"""Options of other programs."""


def texts() -> Iterator[tuple[str, str]]:
    """Yield every sentence of the program but its docstrings, with the file."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parent.name in ("page", "watch"):  # variables of style sheets look the same
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in told:
                continue
            if " " in node.value:  # others are single words of command lines, also of other programs
                yield path.relative_to(SOURCE).as_posix(), node.value


def test_options_that_messages_name_exist() -> None:
    known, named = options(), 0
    for file, text in texts():
        for option in re.findall(r"(?<![\w-])--([a-zA-Z][\w.-]*\w)", OF_OTHERS.sub("", text)):
            named += 1
            key = option.replace("-", "_")
            assert key in known, f"{file}: --{option} in {text!r}"
    assert named > 30
    assert "data.max_bad" in known
    assert "max_bad" not in known
