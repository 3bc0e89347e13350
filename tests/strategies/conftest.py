from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch

from autodas.spaces import Alive, CellSpace, Space, get_skeleton, get_space
from autodas.strategies.base import SearchPlan, Strategy


def candidates_alive(alive: Mapping[str, Alive]) -> int:
    """A stand-in for multiply-adds: as good for tests, and free."""
    return sum(sum(row) for mask in alive.values() for row in mask)


@dataclass(frozen=True)
class Tools:
    """What the tests of strategies share."""

    def space(self, name: str = "cifar-o2d", K: int = 1) -> Space:
        """K = 0 has two reduction cells and no normal ones; K = 1 five cells of both kinds."""
        if name == "nasbench201":  # cells read the stem as it is
            return get_space(name).with_size(max(K, 1), 4, 16)
        return get_space(name).with_size(K, 8, 16)

    def two_nodes(self, operations: tuple[str, ...], K: int = 1, **cell: object) -> Space:
        """A space so small that everything in it can be enumerated."""
        made = CellSpace("two-nodes", operations, nodes=2, **cell)  # type: ignore[arg-type]
        return Space("cifar-two-nodes", made, get_skeleton("cifar").with_size(K, 8, 16))

    def plan(self, space: Space, iterations: int = 12, seed: int = 0) -> SearchPlan:
        return SearchPlan(space, iterations, seed, candidates_alive)

    def wander(self, strategy: Strategy, seed: int, std: float = 0.5) -> None:
        """Move the architecture parameters, as training would."""
        generator = torch.Generator().manual_seed(seed)
        for _, parameter in sorted(strategy.parameters().items()):
            parameter.data += std * torch.randn(parameter.shape, generator=generator)


@pytest.fixture
def tools() -> Tools:
    return Tools()
