"""The names of the files of a run folder stand in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import autodas
from autodas.runs import folder

pytestmark = pytest.mark.slow

PACKAGE = Path(autodas.__file__).parent
NAMES = {
    value
    for name, value in vars(folder).items()
    if name.isupper() and isinstance(value, str) and "." in value
}
FREE = ("runs/folder.py",)


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file, docstrings left out."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_other_file_names_them() -> None:
    assert {"config.yaml", "events.jsonl", "checkpoints/last.pt", "model.safetensors"} <= NAMES
    found = {
        f"{name}: {text}"
        for path in PACKAGE.rglob("*.py")
        if (name := path.relative_to(PACKAGE).as_posix()) not in FREE
        for text in texts(path)
        if text.removeprefix("/") in NAMES
    }
    assert not found
