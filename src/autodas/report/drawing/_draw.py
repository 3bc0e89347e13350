"""Drawing to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype
from autodas.report.drawing._animation import animate
from autodas.report.drawing._cells import DrawnCell
from autodas.report.drawing._dot import dot
from autodas.report.drawing._network import network_dot
from autodas.report.drawing._render import render_pdf, render_png, render_svg
from autodas.spaces import Skeleton
from autodas.writing import write_whole

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_FORMS: dict[str, Callable[[str], bytes]] = {
    ".svg": lambda text: (_DECLARATION + render_svg(text)).encode(),
    ".png": render_png,
    ".pdf": render_pdf,
    ".dot": str.encode,
}


def draw_cells(cells: Sequence[DrawnCell], output: str | Path, title: str | None = None) -> list[Path]:
    """Write one drawing for each cell.

    Args:
        cells: cells to draw.
        output: output file, whose suffix selects the format: ``.svg``, ``.png``, ``.pdf`` or ``.dot``. With
            several cells the kind is added to the name: ``cell-normal.svg``.
        title: title above the drawings, before the kind.

    Returns:
        Files in the order of the cells.

    Raises:
        AutodasError: if the suffix is unknown, a file cannot be written, or drawing is not available.

    Examples:
        >>> import autodas
        >>> from autodas.report import cells_of_genotype
        >>> cells = cells_of_genotype(autodas.load_genotype("darts_v2"))
        >>> [path.name for path in autodas.draw_cells(cells, "cell.dot")]
        ['cell-normal.dot', 'cell-reduction.dot']
    """
    output = Path(output)
    form = _form(output)
    files = []
    for cell in cells:
        name = f"{output.stem}-{cell.kind}{output.suffix}" if len(cells) > 1 else output.name
        heading = f"{title}: {cell.title}" if title else None
        files.append(_write(output.with_name(name), form(dot(cell, heading))))
    return files


def draw_network(
    skeleton: Skeleton,
    output: str | Path,
    graphs: Mapping[str, CellGenotype] | None = None,
    title: str | None = None,
) -> Path:
    """Write the drawing of a whole network: its stack of cells with kinds, widths and strides.

    Args:
        skeleton: skeleton of the network.
        output: output file, whose suffix selects the format as for :func:`draw_cells`.
        graphs: stage graphs, if the skeleton has any.
        title: title above the drawing.

    Returns:
        Path of the file.

    Raises:
        AutodasError: as :func:`draw_cells`.
    """
    output = Path(output)
    return _write(output, _form(output)(network_dot(skeleton, graphs, title)))


def draw_evolution(folder: str | Path, output: str | Path) -> Path:
    """Write the evolution of a search as an animated GIF: see :func:`animate`.

    Args:
        folder: run folder of the search.
        output: output file.

    Returns:
        Path of the file.

    Raises:
        AutodasError: if there is no evolution, the file cannot be written, or drawing is not available.
    """
    return _write(Path(output), animate(folder))


def _form(output: Path) -> Callable[[str], bytes]:
    form = _FORMS.get(output.suffix.lower())
    if form is None:
        known = ", ".join(_FORMS)
        raise AutodasError(f"{output}: cannot draw to '{output.suffix}'; use one of {known}")
    return form


def _write(path: Path, content: bytes) -> Path:
    write_whole(path, content)
    return path
