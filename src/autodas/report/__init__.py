"""Presentation of runs: drawings of cells, tables of methods. Reads genotypes and runs, without torch."""

from __future__ import annotations

from autodas.report._comparison import Comparison, MethodRow, MethodRun, read_method_run
from autodas.report._cost_page import render_costs
from autodas.report._front import draw_front
from autodas.report._notebook import genotype_html, genotype_svg, result_html, run_html
from autodas.report._pictures import CellPictures
from autodas.report._skeleton import skeleton_of_run
from autodas.report._table_comparison import FoundRun, TableComparison, read_found_run
from autodas.report._table_page import render_table_comparison
from autodas.report.drawing._cells import DrawnCell, DrawnEdge, cells_of_genotype
from autodas.report.drawing._colours import colour_of
from autodas.report.drawing._dot import dot
from autodas.report.drawing._draw import draw_cells, draw_evolution, draw_network
from autodas.report.drawing._progress import SearchState, cells_of_run, states_of_run
from autodas.report.drawing._render import can_draw, render_png, render_svg

__all__ = [
    "CellPictures",
    "Comparison",
    "DrawnCell",
    "DrawnEdge",
    "FoundRun",
    "MethodRow",
    "MethodRun",
    "SearchState",
    "TableComparison",
    "can_draw",
    "cells_of_genotype",
    "cells_of_run",
    "colour_of",
    "dot",
    "draw_cells",
    "draw_evolution",
    "draw_front",
    "draw_network",
    "genotype_html",
    "genotype_svg",
    "read_found_run",
    "read_method_run",
    "render_costs",
    "render_png",
    "render_svg",
    "render_table_comparison",
    "result_html",
    "run_html",
    "skeleton_of_run",
    "states_of_run",
]
