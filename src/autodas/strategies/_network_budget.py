"""Budget of a network: limits on what is counted, and on what tables predict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

import numpy as np

from autodas.costs import CostTable, NetworkSetting
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import given_norms, profile
from autodas.spaces import Space, alive_of, all_alive, fit_skeleton
from autodas.strategies._budget import COUNTED, Budget, Resource
from autodas.strategies._derivation import columns_of
from autodas.strategies._resources import slot_costs

DRAWS = 1000
"""Number of random architectures that show the range of a resource."""


class Limits(NamedTuple):
    """Limits on the cost of an architecture's network; ``None`` for no limit.

    Attributes:
        parameters: number of parameters without the auxiliary head.
        multiply_adds: multiply-adds of convolutions and classifier, for one sample.
        tables: tables of other costs, such as latencies, each with the limit in its unit.
    """

    parameters: int | None = None
    multiply_adds: int | None = None
    tables: tuple[tuple[CostTable, float], ...] = ()

    def counted(self) -> list[tuple[str, int]]:
        """Return the names and limits of what is counted, if it is limited."""
        limits = {name: getattr(self, name) for name in COUNTED}
        return [(name, limit) for name, limit in limits.items() if limit is not None]


@dataclass(frozen=True)
class CostRange:
    """Range of a resource in a space.

    Args:
        resource: the resource, with its limit.
        least: use by the architecture that uses least of it.
        quartiles: 25th, 50th and 75th percentiles of random architectures.
    """

    resource: Resource
    least: float
    quartiles: tuple[float, float, float]

    def told(self) -> str:
        """Return the range in a line of text."""
        words = self.resource.words
        low, middle, high = map(words, self.quartiles)
        return (
            f"budget of {words(self.resource.limit)}: the cheapest architecture has {words(self.least)}; of "
            f"random ones a quarter has at most {low}, half {middle}, three quarters {high}"
        )


def network_budget(space: Space, setting: NetworkSetting, limits: Limits) -> Budget | None:
    """Return the budget of a space, given limits on the network to be trained.

    Args:
        space: the search space.
        setting: skeleton, input and classes of the network to be trained.
        limits: limits on that network.

    Returns:
        ``None`` if there is no limit.

    Raises:
        AutodasError: if no architecture meets the limits (the message names the smallest), or a table is for
            another space or network.

    Examples:
        >>> import autodas
        >>> space = autodas.get_space("cifar-o2d")
        >>> skeleton = autodas.get_skeleton("cifar")
        >>> setting = autodas.NetworkSetting(skeleton, channels=3, image_size=32, classes=10)
        >>> budget = autodas.network_budget(space, setting, autodas.Limits(parameters=500_000))
        >>> budget.resources[0].words(budget.resources[0].limit)
        '500,000 parameters'
    """
    resources = [
        *(_counted(space, setting, name, limit) for name, limit in limits.counted()),
        *(_predicted(space, setting, table, limit) for table, limit in limits.tables),
    ]
    if not resources:
        return None
    budget = Budget(space.cell, space.kinds, tuple(resources))
    if not budget.can_be_met(dict.fromkeys(space.kinds, all_alive(space.cell))):
        smallest = [resource.words(budget.cheapest(resource)) for resource in resources]
        asked = " and ".join(resource.words(resource.limit) for resource in resources)
        size = ", ".join(f"{name}={getattr(setting.skeleton, name)}" for name in ("K", "C1", "C2"))
        raise AutodasError(
            f"no architecture of space '{space.name}' has at most {asked} in skeleton "
            f"'{setting.skeleton.name}' with {size}: the smallest has {' or '.join(smallest)}"
        )
    return budget


def _counted(space: Space, setting: NetworkSetting, name: str, limit: int) -> Resource:
    reference = space.random_genotype(Random(0))
    skeleton = fit_skeleton(setting.skeleton, reference)
    whole = profile(
        reference,
        skeleton,
        classes=setting.classes,
        channels=setting.channels,
        image_size=setting.image_size,
        auxiliary=False,
    )
    # Zeros for kinds without a cell in that network.
    shape = len(space.cell.edges), len(space.cell.operations)
    costs = {kind: np.zeros(shape, int) for kind in space.kinds}
    for slot, rows in slot_costs(
        space.cell, skeleton, setting.image_size, given_norms(skeleton), pools=False
    ):
        costs[slot.kind] += [[getattr(cost, name) for cost in row] for row in rows]
    edges = Resource(name, {kind: rows.tolist() for kind, rows in costs.items()}, limit)
    return replace(edges, constant=getattr(whole, name) - edges.spent(_kept(reference, space)))


def _predicted(space: Space, setting: NetworkSetting, table: CostTable, limit: float) -> Resource:
    table.check_setting(space.cell, setting)
    if missing := [kind for kind in space.kinds if kind not in table.costs]:
        raise AutodasError(f"{table.name}: has no costs of {missing[0]} cells, which are searched")
    return Resource(table.metric, table.costs, limit, table.constant, table.dead_parts)


def cost_ranges(space: Space, budget: Budget) -> list[CostRange]:
    """Return the range of each resource of a budget in its space, from 1,000 random architectures.

    Args:
        space: the search space.
        budget: its budget.
    """
    generator = Random(0)
    drawn = [_kept(space.random_genotype(generator), space) for _ in range(DRAWS)]
    ranges = []
    for resource in budget.resources:
        amounts = [resource.constant + resource.spent(kept) for kept in drawn]
        low, middle, high = np.percentile(amounts, (25, 50, 75)).tolist()
        ranges.append(CostRange(resource, budget.cheapest(resource), (low, middle, high)))
    return ranges


def _kept(genotype: Genotype, space: Space) -> dict[str, dict[int, int]]:
    return {kind: columns_of(alive_of(cell, space.cell)) for kind, cell in genotype.cells.items()}
