"""P-DARTS: three supernets, each deeper than the last and with fewer candidates."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.spaces import Alive
from autodas.strategies._derivation import Choice, Rows, decide
from autodas.strategies._discretisation import Decision, Discretisation
from autodas.strategies._regularised import Regularised
from autodas.strategies._resources import dearest, strongest
from autodas.strategies.base import Derived, LossOf, Outcome, Phase, SearchPlan, part_of
from autodas.strategies.settings import PDARTSSettings
from autodas.supernet import CellMixture, Noise

STAGES = 3
LIMITS = range(8, -1, -1)
"""Limits on the number of skips for which architectures are saved."""

FEWEST = 3
"""With fewer operations only ``none`` and a skip might remain on an edge."""


class PDARTS(Regularised):
    r"""Progressive DARTS (Chen et al., 2019): the depth gap is closed in three stages.

    Each stage trains a new supernet with new alphas; only the candidates are passed on. If the first has K
    normal cells between reductions (the paper: 5 cells in all), the second has 2 K + 1 (11) and the third
    3 K + 2 (17). After the first and the second stage an edge keeps its strongest 5, then 3 operations,
    separately for each edge and kind; ``none`` competes like any other. An edge is the softmax of alpha over
    the remaining ones.

    In the first 10 of 25 epochs of a stage only the weights are trained, then alpha first and the weights
    after it. A skip that does not reduce is followed by dropout, at rates that start from 0, 0.4 and 0.7: in
    epoch e of E, with w epochs of weights only, :math:`p (E - e - 1) / E` before w and
    :math:`p\,e^{-5 (e - w) / E}` from there on. (The paper's decay is 0.2 per epoch of 25: the form that
    scales with E is our choice.)

    At the end, by the rule of DARTS, kinds of cells that do not reduce keep at most M = 2 skips: while there
    are more, the weakest one gets the weight 0 and the cell is derived again. The architectures for M = 8 to
    0 are also saved, each once, with their stage, limits, number of skips and score, the sum of the weights
    of the edges that are kept. (The score is our choice, and so is saving the architecture that would be
    derived from a stage that only prepares the next one.)

    Deviations are those of DAS: running statistics and the learning rate of the weights. The epochs of the
    search are divided among the three stages. In spaces of 7 operations the stages have 7, 5 and 3 of them.

    Sources: the paper, sections 3.2 and 3.3; numbers from its public code.
    """

    name = "pdarts"
    architecture_clip = 5.0
    several_limits = False
    settings: PDARTSSettings

    def __init__(self, settings: PDARTSSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        cell, kinds = plan.space.cell, plan.space.kinds
        if len(cell.operations) < FEWEST:
            raise AutodasError(
                f"strategy pdarts narrows edges down to {FEWEST} operations, but space '{plan.space.name}' "
                f"has {len(cell.operations)}: use das there"
            )
        if plan.iterations < STAGES:
            raise AutodasError(
                f"strategy pdarts has {STAGES} stages, but there are only {plan.iterations} iterations: "
                "raise `epochs`"
            )
        # Upper bounds of the stages' candidates; later stages are narrowed to the results of earlier ones.
        self.dearest = [
            {kind: dearest(cell, min(count, len(cell.operations))) for kind in kinds}
            for count in (len(cell.operations), *settings.operations)
        ]
        self.candidates = list(self.dearest)
        self.stage, self.iteration = 0, 0

    def phases(self) -> list[Phase]:
        """Return the three stages."""
        K, lengths = self.plan.space.skeleton.K, self._lengths()
        # Without normal cells the depth cannot grow.
        depths = [n * K + n - 1 for n in range(1, STAGES + 1)] if K else [0] * STAGES
        return [
            Phase(
                f"stage {number}",
                self.plan.space.with_size(K=depth),
                length,
                part_of(length, self.settings.weights_only),
                alive,
            )
            for number, (depth, length, alive) in enumerate(
                zip(depths, lengths, self.dearest, strict=True), 1
            )
        ]

    def present(self, phase: Phase, number: int) -> Phase:
        """Return a stage with the operations passed on by the one before it."""
        return replace(phase, alive=self.candidates[number])

    def _lengths(self) -> list[int]:
        """Return the iterations of the stages: equal parts, in whole epochs if there are enough."""
        total, unit = self.plan.iterations, self.plan.iterations_an_epoch
        if total < STAGES * unit:
            unit = 1
        ends = [total * stage // (STAGES * unit) * unit for stage in range(STAGES)] + [total]
        return [last - first for first, last in pairwise(ends)]

    def begin(self, number: int, device: torch.device | str) -> None:
        """Begin a stage: initialise alpha for the remaining candidates of each edge."""
        self.stage, self.iteration, self.device = number, 0, device
        self._narrow(self.candidates[number])
        self.regularisation.begin(self.phases()[number].iterations, device)

    def _narrow(self, candidates: Mapping[str, Alive]) -> None:
        cell, kinds = self.plan.space.cell, self.plan.space.kinds
        self.decisions = Discretisation(cell, kinds, candidates)
        self.draw_alpha(sum(candidates[kinds[0]][0]), self.plan.seed + self.stage)
        self.columns = {
            kind: torch.tensor([[o for o, a in enumerate(row) if a] for row in mask], device=self.device)
            for kind, mask in candidates.items()
        }

    def weights(self, kind: str, alpha: Tensor) -> Tensor:
        """Return the softmax of alpha over the remaining candidates of each edge, and 0 for the others."""
        everything = alpha.new_zeros(len(alpha), len(self.plan.space.cell.operations))
        return everything.scatter(1, self.columns[kind], alpha.softmax(-1))

    def mixture(self) -> dict[str, CellMixture]:
        """Return the weights of the remaining candidates, with dropout after skips."""
        noise = Noise(skip_dropout=self.skip_dropout())
        return {kind: replace(cell, noise=noise) for kind, cell in super().mixture().items()}

    def skip_dropout(self) -> float:
        """Return the rate of dropout after skips in the epoch of the next iteration."""
        unit, phase = self.plan.iterations_an_epoch, self.phases()[self.stage]
        epochs, first = math.ceil(phase.iterations / unit), phase.weights_only // unit
        epoch = min(self.iteration // unit, epochs - 1)
        rate = self.settings.skip_dropout[self.stage]
        if epoch < first:
            return rate * (epochs - epoch - 1) / epochs
        return rate * math.exp(-5 * (epoch - first) / epochs)

    def constants(self) -> Hashable:
        """Return the rate of dropout, which changes by epoch."""
        return self.skip_dropout()

    def after_iteration(self, iteration: int, loss_of: LossOf | None = None) -> list[Decision]:
        """Record the number of finished iterations."""
        self.iteration = iteration
        return super().after_iteration(iteration, loss_of)

    def finish(self) -> Outcome:
        """End a stage: pass on the strongest operations of each edge, or decide all edges and nodes."""
        weights = self.probabilities()
        if self.stage + 1 < STAGES:
            outcome = Outcome(None, others=[self._derived(weights, [self.settings.skip_limit])])
            count = sum(self.candidates[self.stage + 1][self.plan.space.kinds[0]][0])
            self.candidates[self.stage + 1] = survivors = self._survivors(weights, count)
            self.decisions = Discretisation(self.plan.space.cell, self.plan.space.kinds, survivors)
            return outcome
        choices, own = self.settled(self.plan.budget)
        decisions = decide(self.decisions, choices)
        genotype = self.genotype()
        limits: dict[Genotype, list[int]] = {genotype: []}
        for limit in sorted({*LIMITS, self.settings.skip_limit}, reverse=True):
            limits.setdefault(self._derived(weights, [limit]).genotype, []).append(limit)
        equal = limits.pop(genotype)
        facts = {**self._facts(weights, choices, equal or [self.settings.skip_limit]), **own}
        return Outcome(genotype, decisions, facts, [self._derived(weights, each) for each in limits.values()])

    def _survivors(self, weights: Mapping[str, Rows], count: int) -> dict[str, Alive]:
        """Return the strongest operations of each edge; with a budget, such that it can still be met."""
        alive, budget = self.alive(), self.plan.budget
        survivors = {
            kind: tuple(strongest(row, there, count) for row, there in zip(rows, alive[kind], strict=True))
            for kind, rows in weights.items()
        }
        if budget is None or budget.can_be_met(survivors):
            return survivors
        # The cheapest operation of every edge replaces its weakest: with these the budget can be met.
        masks_by_kind = {}
        for kind, rows in weights.items():
            cheapest, masks = budget.cheapest_columns(kind, alive[kind]), []
            for row, there, first in zip(rows, alive[kind], cheapest, strict=True):
                raised = [w + 2 * (o == first) for o, w in enumerate(row)]
                masks.append(strongest(raised, there, count))
            masks_by_kind[kind] = tuple(masks)
        return masks_by_kind

    @property
    def most_skips(self) -> int | None:
        """Maximum number of skips in cells that do not reduce."""
        return self.settings.skip_limit

    def _derived(self, weights: Mapping[str, Rows], limits: Sequence[int]) -> Derived:
        """Return the architecture derived under the given limits on skips, all of which give the same."""
        choices = self.read_off(weights, most_skips=limits[0], budget=self.plan.budget)
        assert choices is not None, "the survivors of each stage can meet the budget"
        decisions = Discretisation(self.plan.space.cell, self.plan.space.kinds, self.candidates[self.stage])
        decide(decisions, choices)
        return Derived(decisions.genotype(self.name), self._facts(weights, choices, limits))

    def _facts(
        self, weights: Mapping[str, Rows], choices: Mapping[str, Choice], limits: Sequence[int]
    ) -> dict[str, Any]:
        cell = self.plan.space.cell
        kept = {kind: choice.kept(cell) for kind, choice in choices.items()}
        return {
            "stage": self.stage + 1,
            "limits": list(limits),
            "skips": {
                kind: sum(cell.operations[o] == "skip_connect" for o in kept[kind].values())
                for kind in kept
                if kind in self.space.skeleton.level_kinds
            },
            "score": sum(weights[kind][e][o] for kind, edges in kept.items() for e, o in edges.items()),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return alpha, the candidates, the decisions and the iteration."""
        return {**super().state_dict(), "candidates": self.candidates, "iteration": self.iteration}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a stage."""
        self.candidates, self.iteration = list(state["candidates"]), state["iteration"]
        self._narrow(self.candidates[self.stage])
        super().load_state_dict(state)
