"""Random search at the cost of a differentiable search: the baseline for every method."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random as Generator
from typing import Any

import torch
from torch import nn

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Genotype
from autodas.spaces import Alive, alive_of, all_alive, random_cell
from autodas.strategies._derivation import columns_of
from autodas.strategies.base import Outcome, Phase, SearchPlan, Strategy
from autodas.strategies.settings import RandomSettings
from autodas.supernet import CellMixture, mixture_of

MOST_DRAWS = 2000
"""Maximum number of draws per requested architecture, before a budget is reported as too tight."""


class Random(Strategy):
    """Random search: draws n distinct architectures uniformly, trains each, and keeps the best.

    With a budget only architectures that meet it are drawn.

    Each is trained with 1/n of the multiply-adds of a DAS search of T iterations: T steps on the weights and
    T on the architecture through the whole supernet. It is trained in search form, on the training half, by
    weight steps only; the best on the validation half is the result. With n = 1 it is the row "Random" of the
    SDAS paper (table 4).
    """

    name = "random"
    chooses = "best"
    settings: RandomSettings

    def __init__(self, settings: RandomSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        space = plan.space
        if settings.candidates > space.architectures:
            raise AutodasError(
                f"strategy.candidates={settings.candidates}, but space '{space.name}' has "
                f"{space.architectures} architectures"
            )
        generator = Generator(plan.seed)
        drawn: dict[Genotype, None] = {}
        tries = 0
        while len(drawn) < settings.candidates:
            cells = {kind: random_cell(space.cell, generator) for kind in space.kinds}
            if self._affordable(cells):
                drawn[Genotype(cells, space=space.cell.genotype_space)] = None
            tries += 1
            if tries >= MOST_DRAWS * settings.candidates:
                raise AutodasError(
                    f"only {len(drawn)} of {tries:,} random architectures meet the budget: raise it, or "
                    "lower strategy.candidates"
                )
        self.genotypes = list(drawn)
        self.current = 0
        self._phases: list[Phase] = []

    def _affordable(self, cells: Mapping[str, CellGenotype]) -> bool:
        cell, budget = self.plan.space.cell, self.plan.budget
        return budget is None or budget.meets({k: columns_of(alive_of(c, cell)) for k, c in cells.items()})

    def phases(self) -> list[Phase]:
        """Return one phase for each architecture."""
        if self._phases:
            return self._phases
        space = self.plan.space
        full = {kind: all_alive(space.cell) for kind in space.kinds}
        budget = 2 * self.plan.iterations * self.plan.multiply_adds(full) / len(self.genotypes)
        for number in range(len(self.genotypes)):
            alive = self._alive(number)
            iterations = max(1, int(budget / self.plan.multiply_adds(alive)))
            self._phases.append(Phase(f"random {number + 1}", space, iterations, iterations, alive))
        return self._phases

    def _alive(self, number: int) -> dict[str, Alive]:
        cell = self.plan.space.cell
        return {kind: alive_of(c, cell) for kind, c in self.genotypes[number].cells.items()}

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
        return self._alive(self.current)

    def finish(self) -> Outcome:
        """Return the current architecture."""
        drawn = self.genotypes[self.current]
        return Outcome(Genotype(drawn.cells, f"{self.name}-{self.current + 1}", drawn.space))

    def remaining(self) -> int:
        """Return 1: nothing is relaxed."""
        return 1

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the architectures follow from the seed."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""
