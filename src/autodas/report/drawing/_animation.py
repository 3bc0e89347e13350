"""The evolution of a search as an animated picture."""

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
"""About how long an animation takes."""

FASTEST, SLOWEST, PAUSE = 0.1, 0.6, 3.0
"""Seconds that a picture stands, at least and at most; and the last one."""


def animate(folder: str | Path, scale: float = 0.8) -> bytes:
    """Return the evolution of a search as an animated GIF: a picture for each of its decisions.

    All kinds of cells stand under each other and keep their layout. Undecided edges are dashed, what has just
    been decided is highlighted, what is removed disappears. The last picture stands for a while.

    Args:
        folder: of the search, finished or not.
        scale: pixels a point.

    Raises:
        AutodasError: if the folder holds no search, if nothing is decided yet, or if there is nothing to draw
            with.
    """
    from PIL import Image

    states = states_of_run(folder)
    if len(states) < 2:
        raise AutodasError(f"{folder}: this search has not decided anything, there is no evolution to draw")
    each = min(SLOWEST, max(FASTEST, SECONDS / len(states)))
    seconds = [each] * (len(states) - 1) + [PAUSE]
    pictures = _in_equal_colours(
        [Image.open(BytesIO(svg_to_png(svg, scale))).convert("RGB") for svg in frames(states)]
    )
    film = BytesIO()
    pictures[0].save(
        film,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[round(1000 * each) for each in seconds],
        loop=0,
    )
    return film.getvalue()


def _in_equal_colours(pictures: list[Image.Image]) -> list[Image.Image]:
    """Return pictures with one palette for all, so that what stays the same does not flicker."""
    from PIL import Image

    some = [*pictures[:: max(1, len(pictures) // 6)], pictures[-1]]
    width, height = some[0].size
    sheet = Image.new("RGB", (width, height * len(some)))
    for number, picture in enumerate(some):
        sheet.paste(picture, (0, number * height))
    palette = sheet.quantize(255)
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]


def frames(states: Sequence[SearchState]) -> Iterator[str]:
    """Yield the picture of each state of a search as SVG, all of one size and layout.

    Args:
        states: from the first one on, see :func:`states_of_run`.
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
    """Return what the layout of a search's cells follows: the edges of every kind, and letters for names."""
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
    # There may be more architectures than a floating-point number can say.
    digits = str(count)
    return f"{count:,}" if len(digits) < 7 else f"{digits[0]}.{digits[1]}e{len(digits) - 1}"
