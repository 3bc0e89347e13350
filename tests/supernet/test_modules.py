"""Lists of modules and parameters, as torch's own."""

from __future__ import annotations

import pytest
from torch import nn

import autodas
from autodas.supernet import Supernet, every_module, every_parameter


def shared() -> nn.Module:
    """A network in which a module and a parameter occur twice, and a child is missing."""
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    two.weight = one.weight
    network = nn.Sequential(one, nn.Sequential(two, one), nn.ReLU())
    network.register_module("missing", None)
    return network


@pytest.mark.parametrize(
    "network",
    [shared(), Supernet(autodas.get_space("cifar-o2d").with_size(0, 12, 16), classes=10)],
    ids=["shared", "supernet"],
)
def test_order_and_number(network: nn.Module) -> None:
    assert [*map(id, every_module(network))] == [*map(id, network.modules())]
    assert [*map(id, every_parameter(network))] == [*map(id, network.parameters())]
