"""Random search at the cost of a differentiable search: the baseline for every method."""

from __future__ import annotations

from functools import partial
from random import Random as Generator

from autodas.errors import AutodasError
from autodas.spaces import all_alive
from autodas.strategies._trained import Trained, draw_distinct, uniform
from autodas.strategies.base import Phase, SearchPlan
from autodas.strategies.settings import RandomSettings

WEIGHT_STEP, ARCHITECTURE_STEP = 3, 2
"""Cost of a step in forward passes: the pass, the gradients of its maps, and those of the weights, if any."""


class Random(Trained):
    """Random search: draws n distinct architectures uniformly, trains each, and keeps the best.

    With a budget only architectures that meet it are drawn.

    Each is trained with 1/n of the multiply-adds of a DAS search of T iterations, forwards and backwards: T
    steps on the weights and T on the architecture through the whole supernet. It is trained in search form,
    on the training half, by weight steps only; the best on the validation half is the result. With n = 1 it
    is the row "Random" of the SDAS paper (table 4).
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
        draw = partial(uniform, plan, Generator(plan.seed))
        self.genotypes = draw_distinct(plan, settings.candidates, draw)
        self._phases: list[Phase] = []

    def phases(self) -> list[Phase]:
        """Return one phase for each architecture."""
        if self._phases:
            return self._phases
        space = self.plan.space
        full = {kind: all_alive(space.cell) for kind in space.kinds}
        an_iteration = (WEIGHT_STEP + ARCHITECTURE_STEP) * self.plan.multiply_adds(full)
        budget = self.plan.iterations * an_iteration / len(self.genotypes)
        for number in range(len(self.genotypes)):
            alive = self.alive_in(number)
            iterations = max(1, int(budget / (WEIGHT_STEP * self.plan.multiply_adds(alive))))
            self._phases.append(Phase(f"random {number + 1}", space, iterations, iterations, alive))
        return self._phases
