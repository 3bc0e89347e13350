"""Drawing of the architectures that a search found for several limits."""

from __future__ import annotations

from pathlib import Path

from autodas.errors import AutodasError
from autodas.report.drawing._render import svg_to_png
from autodas.report.page._budget import front_chart
from autodas.report.page._standalone import standalone
from autodas.runs.reading import read_run
from autodas.writing import write_whole


def draw_front(folder: str | Path, output: str | Path) -> Path:
    """Write a chart of the scores of a search's architectures against their costs.

    Args:
        folder: run folder of a search with several limits.
        output: output file, ``.svg`` or ``.png``.

    Returns:
        Path of the file.

    Raises:
        AutodasError: if there are not several limits, the ending is another, or the file cannot be written.
    """
    output, chart = Path(output), front_chart(read_run(folder), "front")
    if not chart:
        raise AutodasError(f"{folder}: no search for several limits (`budget.limits`)")
    drawn = standalone(chart)
    if (ending := output.suffix.lower()) not in (".svg", ".png"):
        raise AutodasError(f"{output}: cannot draw to '{output.suffix}'; use one of .svg, .png")
    write_whole(output, drawn if ending == ".svg" else svg_to_png(drawn))
    return output
