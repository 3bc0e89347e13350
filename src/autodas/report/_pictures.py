"""The cells of a search that goes on, as pictures for a log."""

from __future__ import annotations

from pathlib import Path

from autodas.report.drawing._animation import room
from autodas.report.drawing._dot import dot_in_place
from autodas.report.drawing._progress import states_of_run
from autodas.report.drawing._render import render_png


class CellPictures:
    """Draws the cells of a search as its log tells them, every time it is called.

    The edges keep their places from one call to the next. What has not changed is not drawn again.

    Args:
        folder: run folder of the search.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._drawn: dict[str, str] = {}

    def __call__(self) -> dict[str, bytes]:
        """Return the kinds of cells that have changed since the last call, as PNG.

        Raises:
            AutodasError: if the log cannot be read, or there is nothing to draw with.
        """
        states = states_of_run(self.folder)
        places, width = room(states)
        pictures = {}
        for cell in states[-1].cells:
            text = dot_in_place(cell, places[cell.kind], width=width)
            if self._drawn.get(cell.kind) != text:
                pictures[cell.kind] = render_png(text, scale=1.0)
                self._drawn[cell.kind] = text
        return pictures
