"""Finals after a search: several cells are trained for a short time, and the best of them is the result."""
# ruff: noqa: D102 -- most methods are those of the interface, passed on

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random as Generator
from typing import Any

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Genotype
from autodas.spaces import Alive, CellSpace, random_neighbour
from autodas.strategies._discretisation import Decision
from autodas.strategies._resources import dearest
from autodas.strategies._trained import Trained, draw_distinct, uniform
from autodas.strategies.base import Derived, LossOf, Outcome, Phase, SearchPlan, Strategy
from autodas.strategies.settings import FinalistsSettings, StrategySettings
from autodas.supernet import CellMixture

SEEDS_APART = 1000
"""Distance between the seeds of the searches: a method uses several seeds in a row."""


class Finalists(Strategy):
    """A method and its finals: searches with several seeds, then short trainings of their cells and others.

    The finalists are the cells that the searches find, neighbours of each, which differ in the operation of
    one edge, and cells drawn uniformly; all are distinct. Each is trained alike, in search form, on the
    training half by weight steps only; the best on the validation half is the result. All searches share the
    two halves; the first has the seed of the search without finals.

    With random cells among the finalists the result is, but for the noise of short trainings, no worse than
    that of a random search among so many. DARTS (Liu et al., 2019, section 3.1) chooses among four searches
    in this way.

    Args:
        method: class of the method; it searches cells in a single space.
        settings: its settings.
        plan: what to search, and for how long in each of the searches.
        finals: the finalists.

    Raises:
        AutodasError: if the method searches more than cells, or the space has too few of them.
    """

    chooses = "best"

    def __init__(
        self,
        method: type[Strategy],
        settings: StrategySettings,
        plan: SearchPlan,
        finals: FinalistsSettings,
    ) -> None:
        super().__init__(settings, plan)
        self.finals = finals
        self.searches = [
            method(settings, replace(plan, seed=plan.seed + SEEDS_APART * number))
            for number in range(finals.searches)
        ]
        first = self.part = self.searches[0]
        self.name = first.name
        self.architecture_first, self.single_level = first.architecture_first, first.single_level
        self.architecture_gradient = first.architecture_gradient
        self.architecture_clip, self.separate_penalty = first.architecture_clip, first.separate_penalty
        self.trained_share = first.trained_share
        self.partial_channels, self.scores_epochs = first.partial_channels, first.scores_epochs
        if first.chooses == "best" or any(phase.cells is not None for phase in first.phases()):
            raise AutodasError(
                f"finalists: strategy '{first.name}' has several results, or wires whole cells; choose a "
                "method that finds one cell of each kind"
            )
        self.each = len(first.phases())
        self.found: list[Genotype] = []
        self.count = finals.searches * (1 + finals.neighbours) + finals.random
        if self.count > plan.space.architectures:
            raise AutodasError(
                f"{self.count} finalists, but space '{plan.space.name}' has {plan.space.architectures} "
                "architectures"
            )

    def phases(self) -> list[Phase]:
        """Return the phases of all searches, and one for each finalist."""
        space, length = self.plan.space, self.finals.epochs * self.plan.iterations_an_epoch
        alive = {kind: dearest(space.cell, 1) for kind in space.kinds}
        searches = [
            replace(phase, name=f"search {number}: {phase.name}")
            for number, search in enumerate(self.searches, 1)
            for phase in search.phases()
        ]
        names = [f"finalist {number}" for number in range(1, self.count + 1)]
        return [*searches, *(Phase(name, space, length, length, alive) for name in names)]

    def finalists(self) -> dict[Genotype, str]:
        """Return the finalists, each with its origin, once all searches are done."""
        plan, generator = self.plan, Generator(self.plan.seed)
        finalists: dict[Genotype, str] = {}
        for number, found in enumerate(self.found, 1):
            finalists.setdefault(found, f"search {number}")
        for found, origin in tuple(finalists.items()):
            draw = partial(_neighbour, plan, found, generator)
            near = draw_distinct(plan, self.finals.neighbours, draw, but=finalists)
            finalists |= dict.fromkeys(near, f"neighbour of {origin}")
        # Also in place of a cell that several searches have found.
        draw, missing = partial(uniform, plan, generator), self.count - len(finalists)
        return finalists | dict.fromkeys(draw_distinct(plan, missing, draw, but=finalists), "random")

    def begin(self, number: int, device: torch.device | str) -> None:
        """Begin a phase of a search, or the training of a finalist."""
        search, phase = divmod(number, self.each)
        if search < len(self.searches):
            self.part = self.searches[search]
            self.part.begin(phase, device)
        else:
            self.part = _Finals(self.searches[0].name, self.settings, self.plan)
            self.part.begin(number - self.each * len(self.searches), device)
            if self.found:  # not when the search is resumed: their state follows
                self.part.enter(self.finalists())

    def present(self, phase: Phase, number: int) -> Phase:
        """Return a phase with the candidates that it starts with."""
        search, inner = divmod(number, self.each)
        if search < len(self.searches):
            return self.searches[search].present(phase, inner)
        return replace(phase, alive=self.part.alive())

    def finish(self) -> Outcome:
        """End a phase: the cell of a search becomes a finalist."""
        outcome = self.part.finish()
        if isinstance(self.part, _Finals) or outcome.genotype is None:
            return outcome
        self.found.append(_comparable(outcome.genotype, self.plan.space.cell))
        derived = Derived(outcome.genotype, outcome.facts)
        return Outcome(None, outcome.decisions, others=[derived, *outcome.others])

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the phase, and the cells found before."""
        return {"part": self.part.state_dict(), "found": [each.to_dict() for each in self.found]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`."""
        self.found = [Genotype.from_dict(each) for each in state["found"]]
        if isinstance(self.part, _Finals):
            self.part.enter(self.finalists())
        self.part.load_state_dict(state["part"])

    # Everything else is that of the phase's own method.

    def parameters(self) -> dict[str, nn.Parameter]:
        return self.part.parameters()

    def mixture(self) -> dict[str, CellMixture]:
        return self.part.mixture()

    def weight_mixture(self) -> dict[str, CellMixture]:
        return self.part.weight_mixture()

    def penalty(self) -> Tensor | None:
        return self.part.penalty()

    def constants(self) -> Hashable:
        return self.part.constants()

    def alive(self) -> dict[str, Alive]:
        return self.part.alive()

    def after_iteration(self, iteration: int, loss_of: LossOf | None = None) -> list[Decision]:
        return self.part.after_iteration(iteration, loss_of)

    def after_epoch(self, score: Callable[[], float]) -> None:
        self.part.after_epoch(score)

    def evaluation_mixtures(self) -> list[dict[str, CellMixture]]:
        return self.part.evaluation_mixtures()

    def go_back(self) -> bool:
        return self.part.go_back()

    def decision_phase(self) -> Phase:
        return self.searches[0].decision_phase()

    def decision_times(self) -> Sequence[int]:
        return self.searches[0].decision_times()

    def remaining(self) -> int:
        return self.part.remaining()

    def leading(self) -> dict[str, dict[int, int]]:
        return self.part.leading()

    def derived(self) -> dict[str, dict[int, int]]:
        return self.part.derived()

    def expected_cost(self, share: float) -> float:
        return self.part.expected_cost(share)

    def snapshot(self) -> dict[str, Any]:
        return self.part.snapshot()

    def optimiser(self) -> torch.optim.Optimizer | None:
        return self.part.optimiser()


class _Finals(Trained):
    """Training of the finalists, named after the method of the searches."""

    def __init__(self, method: str, settings: StrategySettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        self.name = f"{method}-finalist"

    def enter(self, finalists: Mapping[Genotype, str]) -> None:
        """Set the finalists, each with its origin."""
        self.genotypes, self.origins = list(finalists), list(finalists.values())

    def phases(self) -> Sequence[Phase]:
        """Return nothing: :class:`Finalists` has the phases."""
        return []

    def facts(self) -> dict[str, Any]:
        """Return where the current finalist comes from."""
        return {"origin": self.origins[self.current]}


def _comparable(genotype: Genotype, cell: CellSpace) -> Genotype:
    """Return a genotype in the form of one drawn at random: without a name, and without edges that compute
    nothing, where nodes may have any number of edges."""
    if cell.kept != "any":
        return replace(genotype, name="")
    cells = {
        kind: replace(
            each, nodes=tuple(tuple(edge for edge in node if edge.operation != "none") for node in each.nodes)
        )
        for kind, each in genotype.cells.items()
    }
    return replace(genotype, cells=cells, name="")


def _neighbour(plan: SearchPlan, found: Genotype, generator: Generator) -> dict[str, CellGenotype]:
    """Draw cells of which those of one kind differ from a genotype's in the operation of one edge."""
    kind = generator.choice(plan.space.kinds)
    return {**found.cells, kind: random_neighbour(found.cells[kind], plan.space.cell, generator)}
