"""What runs look like: drawings of cells, tables of methods. Reads genotypes and runs; knows no torch."""

from __future__ import annotations

from autodas.report._cells import DrawnCell, DrawnEdge, cells_of_genotype
from autodas.report._colours import colour_of
from autodas.report._comparison import Comparison, MethodRow, MethodRun, read_method_run
from autodas.report._dot import dot
from autodas.report._draw import draw_cells
from autodas.report._progress import cells_of_run
from autodas.report._render import render_png, render_svg

__all__ = [
    "Comparison",
    "DrawnCell",
    "DrawnEdge",
    "MethodRow",
    "MethodRun",
    "cells_of_genotype",
    "cells_of_run",
    "colour_of",
    "dot",
    "draw_cells",
    "read_method_run",
    "render_png",
    "render_svg",
]
