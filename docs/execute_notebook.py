"""Executes a notebook without Jupyter, and stores the outputs in it.

usage: python docs/execute_notebook.py docs/notebooks/search.ipynb

The code cells run in order, in one namespace and in an empty folder. Displayed objects are stored as Jupyter
does: by their methods ``_repr_html_``, ``_repr_svg_`` and ``_repr_png_``.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any


def execute(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook with the outputs of its code, which runs in the current folder."""
    cells, count = [], 0
    outputs: list[dict[str, Any]] = []
    names: dict[str, Any] = {
        "__name__": "__main__",
        "display": lambda shown: outputs.append({"output_type": "display_data", **_shown(shown)}),
    }
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs.clear()
            _run("".join(cell["source"]), f"cell {count}", names, count, outputs)
            cell = {**cell, "execution_count": count, "outputs": list(outputs)}
        cells.append(cell)
    return {**notebook, "cells": cells}


def _run(source: str, name: str, names: dict[str, Any], count: int, outputs: list[dict[str, Any]]) -> None:
    """Execute a cell; the value of its last line, if it is an expression, is displayed."""
    body = ast.parse(source, name).body
    last = ast.Expression(body.pop().value) if body and isinstance(body[-1], ast.Expr) else None
    said, warned = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(warned):
        exec(compile(ast.Module(body, []), name, "exec"), names)
        value = None if last is None else eval(compile(last, name, "eval"), names)
    for stream, text in (("stdout", said.getvalue()), ("stderr", warned.getvalue())):
        if text:
            outputs.append({"output_type": "stream", "name": stream, "text": text.splitlines(keepends=True)})
    if value is not None:
        outputs.append({"output_type": "execute_result", "execution_count": count, **_shown(value)})


def _shown(value: Any) -> dict[str, Any]:
    """Return an object in all forms in which it shows itself."""
    forms = {"text/html": "_repr_html_", "image/svg+xml": "_repr_svg_", "image/png": "_repr_png_"}
    found = {kind: getattr(value, method)() for kind, method in forms.items() if hasattr(value, method)}
    # Addresses in memory differ each time.
    found["text/plain"] = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    data = {
        kind: b64encode(form).decode() if isinstance(form, bytes) else form.splitlines(keepends=True)
        for kind, form in found.items()
        if form is not None
    }
    return {"data": data, "metadata": {}}


def main(path: Path) -> None:
    """Execute a notebook in an empty folder, and store the outputs in its file."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        executed = execute(notebook)
    text = json.dumps(executed, indent=1, ensure_ascii=False) + "\n"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
