"""Discrete networks: plain modules, built from a genotype."""

from autodas.networks._cell import Cell, CellFrame, CellInputs
from autodas.networks._check import check_cells
from autodas.networks._graph import cells_of_graph, graph_slot
from autodas.networks._heads import AuxiliaryHead
from autodas.networks._network import Network, auxiliary_map, build
from autodas.networks._norms import cell_norms
from autodas.networks._partial import partial_channels_for
from autodas.networks._profile import (
    Profile,
    StageCost,
    count_parameters,
    multiply_adds_by_module,
    profile,
)
from autodas.networks._stack import CellStack

__all__ = [
    "AuxiliaryHead",
    "Cell",
    "CellFrame",
    "CellInputs",
    "CellStack",
    "Network",
    "Profile",
    "StageCost",
    "auxiliary_map",
    "build",
    "cell_norms",
    "cells_of_graph",
    "check_cells",
    "count_parameters",
    "graph_slot",
    "multiply_adds_by_module",
    "partial_channels_for",
    "profile",
]
