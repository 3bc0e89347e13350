"""What a run looks like: drawings of cells. Reads genotypes and run folders; knows no torch."""

from __future__ import annotations

from autodas.report._cells import DrawnCell, DrawnEdge, cells_of_genotype
from autodas.report._colours import colour_of
from autodas.report._dot import dot
from autodas.report._draw import draw_cells
from autodas.report._progress import cells_of_run
from autodas.report._render import render_png, render_svg

__all__ = [
    "DrawnCell",
    "DrawnEdge",
    "cells_of_genotype",
    "cells_of_run",
    "colour_of",
    "dot",
    "draw_cells",
    "render_png",
    "render_svg",
]
