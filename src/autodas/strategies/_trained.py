"""Base of methods that train discrete architectures one by one, and the draw of such architectures."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from random import Random as Generator
from typing import Any

import torch
from torch import nn

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Genotype
from autodas.spaces import Alive, alive_of
from autodas.strategies._derivation import columns_of
from autodas.strategies.base import Outcome, SearchPlan, Strategy
from autodas.supernet import CellMixture, mixture_of

MOST_DRAWS = 2000
"""Maximum number of draws per requested architecture, before a budget is reported as too tight."""


class Trained(Strategy, ABC):
    """A method that trains one given architecture in each of its phases, by weight steps only."""

    genotypes: list[Genotype]
    """The architectures, in the order of the phases."""

    current = 0
    """Number of the architecture that is trained."""

    def begin(self, number: int, device: torch.device | str) -> None:
        """Switch to an architecture."""
        self.current = number
        self.device = device

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return an empty dictionary: there are no architecture parameters."""
        return {}

    def mixture(self) -> dict[str, CellMixture]:
        """Return the discrete network's mixture."""
        return mixture_of(self.alive(), self.device)

    def alive(self) -> dict[str, Alive]:
        """Return the edges of the current architecture."""
        return self.alive_in(self.current)

    def alive_in(self, number: int) -> dict[str, Alive]:
        """Return the edges of an architecture.

        Args:
            number: its number.
        """
        cell = self.plan.space.cell
        return {kind: alive_of(c, cell) for kind, c in self.genotypes[number].cells.items()}

    def finish(self) -> Outcome:
        """Return the current architecture."""
        name = f"{self.name}-{self.current + 1}"
        return Outcome(replace(self.genotypes[self.current], name=name), facts=self.facts())

    def facts(self) -> dict[str, Any]:
        """Return facts about the current architecture, for its entry among the candidates."""
        return {}

    def remaining(self) -> int:
        """Return 1: nothing is relaxed."""
        return 1

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the architectures follow from the seed."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


def affordable(plan: SearchPlan, cells: Mapping[str, CellGenotype]) -> bool:
    """Return whether cells meet the budget of a search."""
    cell, budget = plan.space.cell, plan.budget
    return budget is None or budget.meets({k: columns_of(alive_of(c, cell)) for k, c in cells.items()})


def draw_distinct(
    plan: SearchPlan,
    count: int,
    draw: Callable[[], dict[str, CellGenotype]],
    but: Container[Genotype] = (),
) -> list[Genotype]:
    """Draw distinct architectures that meet the budget.

    Args:
        plan: plan of the search.
        count: their number.
        draw: draws the cells of one of them.
        but: architectures that are not wanted.

    Raises:
        AutodasError: if too few of the drawn ones meet the budget.
    """
    drawn: dict[Genotype, None] = {}
    tries = 0
    while len(drawn) < count:
        cells = draw()
        genotype = Genotype(cells, space=plan.space.cell.genotype_space)
        if affordable(plan, cells) and genotype not in but:
            drawn[genotype] = None
        tries += 1
        if tries >= MOST_DRAWS * count:
            found = f"only {len(drawn)} of {tries:,} random architectures"
            if plan.budget is not None:
                raise AutodasError(f"{found} are new and meet the budget: raise it, or ask for fewer")
            raise AutodasError(f"{found} are new: ask for fewer")
    return list(drawn)


def uniform(plan: SearchPlan, generator: Generator) -> dict[str, CellGenotype]:
    """Draw cells uniformly from the space of a search."""
    return dict(plan.space.random_genotype(generator).cells)
