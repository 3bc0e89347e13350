"""Options that messages name exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

import autodas
from autodas.cli.config._schema import describe
from autodas.strategies.settings import STRATEGIES

pytestmark = pytest.mark.slow

SOURCE = Path(autodas.__file__).parent
GENERAL = {"preset", "config", "print_config", "help", "version", "debug"}


def options() -> set[str]:
    """Return the options of all commands; parts of configurations are no commands."""
    found, classes, parts = set(GENERAL), set(), set()
    for path in sorted((SOURCE / "cli").glob("*.py")):
        for item in vars(import_module(f"autodas.cli.{path.stem}")).values():
            if isinstance(item, type) and is_dataclass(item) and item.__name__.endswith("Config"):
                classes.add(item)
                parts |= set(describe(item, "sdas").groups.values())
    for command in classes - parts:
        for strategy in STRATEGIES:
            schema = describe(command, strategy)
            found |= {*schema.leaves, *schema.short_forms, *schema.groups}
    return found


OF_OTHERS = re.compile(r"ray start --head|#SBATCH .*")
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
