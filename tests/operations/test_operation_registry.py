"""Registering operations: names, errors, and a new one from genotype to supernet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from autodas.errors import AutodasError, GenotypeError
from autodas.genotype import Genotype
from autodas.networks import build as build_network
from autodas.operations import SEARCH_NORMS, Norms, build, register, registered, window
from autodas.operations._registry import _BUILDERS
from autodas.spaces import CellSpace, Space, all_alive, get_skeleton
from autodas.supernet import Supernet, genotype_mixture, mixture_of

DOUBLE = "double_3x3"


class Double(nn.Module):
    def __init__(self, channels: int, stride: tuple[int, ...]) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((channels, 1, 1), 2.0))
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x[..., :: self.stride[0], :: self.stride[1]]


@pytest.fixture
def double() -> Iterator[str]:
    def make(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
        return Double(channels, stride)

    assert register(DOUBLE)(make) is make
    yield DOUBLE
    del _BUILDERS[DOUBLE]


def document(operation: str) -> dict[str, object]:
    nodes = [[[operation, 0], [operation, 1]], [["skip_connect", 1], [operation, 2]]]
    cell = {"inputs": 2, "nodes": nodes, "concat": [2, 3]}
    return {"schema": 1, "cells": {"normal": cell, "reduction": cell}}


@pytest.mark.parametrize("name", ["sep_conv_3x3", "none", "skip_connect"])
def test_a_name_is_taken_once(name: str) -> None:
    builder = _BUILDERS[name]
    with pytest.raises(AutodasError, match=f"'{name}' is already registered"):
        register(name)(lambda channels, stride, norms: nn.Identity())
    assert _BUILDERS[name] is builder


def test_registering_twice_is_refused(double: str) -> None:
    with pytest.raises(AutodasError, match=double):
        register(double)(lambda channels, stride, norms: nn.Identity())


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(AutodasError, match=r"unknown operation 'sep_conv_3x'.*'sep_conv_3x3'"):
        build("sep_conv_3x", 4, (1, 1), SEARCH_NORMS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sep_conv_3x3", (3, 3)), ("sep3d_conv_3x5x5", (3, 5, 5)), ("max_pool_1x3x3", (1, 3, 3))],
)
def test_the_window_stands_in_the_name(name: str, expected: tuple[int, ...]) -> None:
    assert window(name) == expected


@pytest.mark.parametrize("name", ["skip_connect", "none", "conv_3"])
def test_a_name_without_window(name: str) -> None:
    with pytest.raises(AutodasError, match=name):
        window(name)


def test_what_an_operation_is_is_judged_by_a_space_and_by_building() -> None:
    assert DOUBLE not in registered()
    genotype = Genotype.from_dict(document(DOUBLE))
    with pytest.raises(GenotypeError, match=f"operation '{DOUBLE}' is not in space 'small'"):
        CellSpace("small", ("skip_connect", "sep_conv_3x3"), nodes=2).validate(genotype)
    with pytest.raises(AutodasError, match=f"unknown operation '{DOUBLE}'"):
        build_network(genotype, get_skeleton("cifar").with_size(1, 8, 16))


@pytest.mark.slow
def test_a_new_operation_from_genotype_to_supernet(double: str) -> None:
    assert double in registered()
    genotype = Genotype.from_dict(document(double))
    assert Genotype.from_json(genotype.to_json()) == genotype
    cell = CellSpace("with_double", ("skip_connect", double), nodes=2)
    space = Space("cifar-with_double", cell, get_skeleton("cifar").with_size(1, 8, 16))
    space.validate(genotype)
    x = torch.randn(2, 3, 8, 8)

    network = build_network(genotype, space.skeleton)
    assert network(x).shape == (2, 10)
    # Node 0 of the first cell has two of them: four channels' factors each.
    assert sum(m.factor.numel() for m in network.cells[0].modules() if isinstance(m, Double)) == 3 * 4

    supernet = Supernet(space).eval()
    assert supernet(x, mixture_of({k: all_alive(cell) for k in space.kinds})).shape == (2, 10)
    with torch.no_grad():
        discrete = supernet.extract(genotype)(x)
        assert torch.equal(discrete, supernet(x, genotype_mixture(genotype, cell)))
