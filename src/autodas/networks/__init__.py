"""Discrete networks: plain modules built from a genotype, and hand-crafted ones for comparison."""

from autodas.networks._blueprint import Blueprint, CellBlueprint, HandcraftedBlueprint, read_blueprint
from autodas.networks._cell import Cell, CellFrame, CellInputs
from autodas.networks._check import check_cells
from autodas.networks._graph import cells_of_graph, graph_slot
from autodas.networks._heads import AuxiliaryHead, IdentityHead, rescale_outputs
from autodas.networks._network import Network, auxiliary_map, build, fitted_skeleton
from autodas.networks._norms import cell_norms, given_norms
from autodas.networks._partial import partial_channels_for
from autodas.networks._profile import (
    Profile,
    StageCost,
    count_parameters,
    multiply_adds_by_module,
    profile,
)
from autodas.networks._stack import CellStack
from autodas.networks.handcrafted import (
    HandcraftedNetwork,
    build_handcrafted,
    handcrafted_names,
    means_handcrafted,
    profile_handcrafted,
)

__all__ = [
    "AuxiliaryHead",
    "Blueprint",
    "Cell",
    "CellBlueprint",
    "CellFrame",
    "CellInputs",
    "CellStack",
    "HandcraftedBlueprint",
    "HandcraftedNetwork",
    "IdentityHead",
    "Network",
    "Profile",
    "StageCost",
    "auxiliary_map",
    "build",
    "build_handcrafted",
    "cell_norms",
    "cells_of_graph",
    "check_cells",
    "count_parameters",
    "fitted_skeleton",
    "given_norms",
    "graph_slot",
    "handcrafted_names",
    "means_handcrafted",
    "multiply_adds_by_module",
    "partial_channels_for",
    "profile",
    "profile_handcrafted",
    "read_blueprint",
    "rescale_outputs",
]
