"""Evolution of a search as an animation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from autodas.errors import AutodasError
from autodas.report.drawing._dot import dot_in_place
from autodas.report.drawing._progress import SearchState, states_of_run
from autodas.report.drawing._render import render_svg, svg_to_png
from autodas.report.drawing._stack import stacked
from autodas.spaces import OPERATIONS
from autodas.user_code import short_name

if TYPE_CHECKING:
    from PIL import Image

SECONDS = 20.0
"""Approximate length of an animation in seconds."""

FASTEST, SLOWEST, PAUSE = 0.1, 0.6, 3.0
"""Shortest and longest display time of a frame, and that of the last frame, in seconds."""


def animate(folder: str | Path, scale: float = 0.8) -> bytes:
    """Return the evolution of a search as an animated GIF with a frame for each decision.

    The kinds of cells are arranged in a column with a fixed layout. Undecided edges are dashed, those just
    decided are highlighted, removed ones disappear. The last frame is displayed longer.

    Args:
        folder: run folder of the search, finished or not.
        scale: pixels per point.

    Raises:
        AutodasError: if the folder does not hold a search, if nothing is decided yet, or if drawing is not
            available.
    """
    from PIL import Image

    states = states_of_run(folder)
    if len(states) < 2:
        raise AutodasError(f"{folder}: this search has no decisions yet, so there is no evolution to draw")
    each = min(SLOWEST, max(FASTEST, SECONDS / len(states)))
    seconds = [each] * (len(states) - 1) + [PAUSE]
    images = _in_equal_colours(
        [Image.open(BytesIO(svg_to_png(svg, scale))).convert("RGB") for svg in frames(states)]
    )
    film = BytesIO()
    images[0].save(
        film,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=[round(1000 * each) for each in seconds],
        loop=0,
    )
    return film.getvalue()


def _in_equal_colours(images: list[Image.Image]) -> list[Image.Image]:
    """Return images with a common palette, so that unchanged parts do not flicker."""
    from PIL import Image

    some = [*images[:: max(1, len(images) // 6)], images[-1]]
    width, height = some[0].size
    sheet = Image.new("RGB", (width, height * len(some)))
    for number, image in enumerate(some):
        sheet.paste(image, (0, number * height))
    palette = sheet.quantize(255)
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]


def frames(states: Sequence[SearchState]) -> Iterator[str]:
    """Yield a drawing of each state of a search as SVG, all with the same size and layout.

    Args:
        states: all states from the first on, see :func:`states_of_run`.
    """
    places, width = room(states)
    drawn: dict[str, str] = {}
    for number, state in enumerate(states):
        svgs = []
        for cell in state.cells:
            new = state.new if cell.kind == state.kind else ()
            text = dot_in_place(cell, places[cell.kind], width=width, new=new)
            if text not in drawn:
                drawn[text] = render_svg(text)
            svgs.append(drawn[text])
        yield stacked(svgs, [_caption(number, len(states) - 1, state)])


def room(states: Sequence[SearchState]) -> tuple[dict[str, list[tuple[int, int]]], int]:
    """Return the basis of the layout of a search's cells: edges of every kind, and length of the names."""
    places = {cell.kind: [(edge.predecessor, edge.state) for edge in cell.edges] for cell in states[0].cells}
    own = {edge.operation for state in states for cell in state.cells for edge in cell.edges}
    return places, max(len(short_name(name)) for name in {*OPERATIONS, *filter(None, own)})


def _caption(number: int, total: int, state: SearchState) -> str:
    said = f"decision {number} of {total}"
    if state.text:
        said += f", iteration {state.iteration}: {state.kind} {state.text}"
    if state.remaining is not None:
        said += f"; architectures left: {_short(state.remaining)}"
    return said


def _short(count: int) -> str:
    # The number of architectures may exceed the range of floats.
    digits = str(count)
    return f"{count:,}" if len(digits) < 7 else f"{digits[0]}.{digits[1]}e{len(digits) - 1}"
