"""Figures of the cells of a search in progress, for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from autodas.report.drawing._animation import room
from autodas.report.drawing._dot import dot_in_place
from autodas.report.drawing._progress import states_of_run
from autodas.report.drawing._render import render_png


class CellPictures:
    """Callable that draws the current cells of a search from its log.

    Edges keep their places between calls. Unchanged cells are not drawn again.

    Args:
        folder: run folder of the search.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._drawn: dict[str, str] = {}

    def __call__(self) -> dict[str, bytes]:
        """Return the kinds of cells that have changed since the last call, as PNG.

        Raises:
            AutodasError: if the log cannot be read, or drawing is not available.
        """
        states = states_of_run(self.folder)
        places, width = room(states)
        figures = {}
        for cell in states[-1].cells:
            text = dot_in_place(cell, places[cell.kind], width=width)
            if self._drawn.get(cell.kind) != text:
                figures[cell.kind] = render_png(text, scale=1.0)
                self._drawn[cell.kind] = text
        return figures
