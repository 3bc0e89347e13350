"""Drawings to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from autodas.errors import AutodasError
from autodas.report._cells import DrawnCell
from autodas.report._dot import dot
from autodas.report._render import render_pdf, render_png, render_svg

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_FORMS: dict[str, Callable[[str], bytes]] = {
    ".svg": lambda text: (_DECLARATION + render_svg(text)).encode(),
    ".png": render_png,
    ".pdf": render_pdf,
    ".dot": str.encode,
}


def draw_cells(cells: Sequence[DrawnCell], output: str | Path, title: str | None = None) -> list[Path]:
    """Write one picture for each cell.

    Args:
        cells: what to draw.
        output: the file; its suffix decides the form: ``.svg``, ``.png``, ``.pdf`` or ``.dot``. With
            several cells the kind is added to the name: ``cell-normal.svg``.
        title: what stands above the pictures, before the kind.

    Returns:
        The files, in the order of the cells.

    Raises:
        AutodasError: if the suffix is unknown, a file cannot be written, or there is nothing to draw with.
    """
    output = Path(output)
    form = _FORMS.get(output.suffix.lower())
    if form is None:
        known = ", ".join(_FORMS)
        raise AutodasError(f"{output}: cannot draw to '{output.suffix}'; use one of {known}")
    files = []
    for cell in cells:
        name = f"{output.stem}-{cell.kind}{output.suffix}" if len(cells) > 1 else output.name
        heading = f"{title}: {cell.title}" if title else None
        files.append(_write(output.with_name(name), form(dot(cell, heading))))
    return files


def _write(path: Path, content: bytes) -> Path:
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise AutodasError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path
