"""Base of methods that mix candidates by a softmax of alpha and decide at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from autodas.genotype import Genotype
from autodas.spaces import Alive, Space, all_alive, cell_of
from autodas.strategies._budget import Budget, best_choices
from autodas.strategies._derivation import Choice, Rows, choose, decide
from autodas.strategies._discretisation import Discretisation
from autodas.strategies._relaxation import Table, load_table, named, new_table, rounded, table_state
from autodas.strategies.base import Derived, Outcome, Phase, SearchPlan, Strategy, single_phase
from autodas.supernet import CellMixture


class Relaxed(Strategy):
    r"""A method with one vector alpha for each edge, :math:`\mathrm{softmax}(\alpha_e)` at first.

    Methods override :meth:`mixture` or :meth:`weights` for anything else. At the end all edges and nodes are
    decided by the rule of DARTS.
    """

    several_limits = True
    initial_mean = 0.0
    """Mean of alpha at the start."""

    @property
    def space(self) -> Space:
        """Search space of the current phase."""
        return self.plan.space

    def __init__(self, settings: Any, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        self.decisions = Discretisation(plan.space.cell, plan.space.kinds)
        self.alpha: Table = {}
        self.device: torch.device | str = "cpu"
        self.weights_only = getattr(settings, "weights_only", 0.0)
        """Share of the iterations, at the start, in which the architecture is not trained."""

    def phases(self) -> list[Phase]:
        """Return the single phase."""
        alive = {kind: all_alive(self.plan.space.cell) for kind in self.plan.space.kinds}
        return single_phase(self.plan, alive, self.weights_only)

    def begin(self, number: int, device: torch.device | str) -> None:
        """Initialise alpha."""
        self.device = device
        self.draw_alpha(len(self.space.cell.operations), self.plan.seed)

    def draw_alpha(self, operations: int, seed: int) -> None:
        """Initialise alpha of all edges.

        Args:
            operations: number of operations of each edge.
            seed: seed of the draw.
        """
        edges, std = len(self.space.cell.edges), self.settings.initial_std
        self.alpha = new_table(
            self.space.kinds, edges, (operations,), std, seed, self.device, self.initial_mean
        )

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return alpha, one vector for each edge."""
        return named("alpha", self.alpha)

    def weights(self, kind: str, alpha: Tensor) -> Tensor:
        """Return the weights of one kind's candidates, edges x operations.

        Args:
            kind: cell kind.
            alpha: stacked vectors of its edges, in any precision.
        """
        return alpha.softmax(-1)

    def mixture(self) -> dict[str, CellMixture]:
        """Return the weights of all candidates that are alive."""
        alive = self.alive()
        return {
            kind: CellMixture(self.weights(kind, stacked(edges)), alive[kind])
            for kind, edges in self.alpha.items()
        }

    def alive(self) -> dict[str, Alive]:
        """Return all candidates, until the end."""
        return self.decisions.alive()

    def probabilities(self) -> dict[str, list[list[float]]]:
        """Return the weights as numbers, edges x operations."""
        probabilities = {}
        for kind, edges in self.alpha.items():
            weights = self.weights(kind, stacked(edges).detach().double())
            # Memory is estimated with tensors without data, for which any numbers will do.
            probabilities[kind] = (
                torch.zeros_like(weights, device="cpu") if weights.is_meta else weights
            ).tolist()
        return probabilities

    def factors(self) -> dict[str, list[float]] | None:
        """Return factors of whole edges, for each kind, with which edges are compared; ``None`` for 1."""
        return None

    @property
    def most_skips(self) -> int | None:
        """Maximum number of skips in cells that do not reduce; ``None`` for no limit."""
        return None

    def choices(self) -> dict[str, Choice]:
        """Return the cells that would be derived now, within all limits."""
        choices = self.read_off(self.probabilities(), self.factors(), self.most_skips, self.plan.budget)
        assert choices is not None, "the budget was checked before the search"
        return choices

    def read_off(
        self,
        weights: Mapping[str, Rows],
        factors: Mapping[str, Sequence[float]] | None = None,
        most_skips: int | None = None,
        budget: Budget | None = None,
        but: Sequence[Mapping[str, Mapping[int, int]]] = (),
    ) -> dict[str, Choice] | None:
        """Return the cells derived from weights.

        Args:
            weights: for each kind, edges x operations.
            factors: for each kind, factors of its edges as a whole.
            most_skips: maximum number of skips in cells that do not reduce; ``None`` for no limit.
            budget: budget to be met.
            but: architectures that are not wanted, for a budget.

        Returns:
            ``None`` if there are no other cells within the budget.
        """
        skips = {}
        if most_skips is not None:
            skips = {kind: most_skips for kind in self.space.skeleton.level_kinds if kind in weights}
        return best_choices(
            self.decisions.cell, weights, factors, skips=skips, budget=budget, alive=self.alive(), but=but
        )

    def settled(self, budget: Budget | None) -> tuple[dict[str, Choice], dict[str, Any]]:
        """Return the cells to be derived at the end, and facts about their costs.

        If networks can be measured, these are the best of a few cells that keep the limit when measured; if
        all of them exceed it, the cheapest. Before the last of them is chosen, predictions are raised by what
        the table has underestimated the others.

        Args:
            budget: budget to be met.
        """
        weights, factors, cell = self.probabilities(), self.factors(), self.decisions.cell

        def best(within: Budget | None, but: Sequence[Mapping[str, Mapping[int, int]]] = ()) -> Any:
            return self.read_off(weights, factors, self.most_skips, within, but)

        facts = {} if budget is None or not budget.tighter else {"limit": budget.resources[-1].limit}
        if budget is None or budget.measure is None:
            choices = best(budget)
            assert choices is not None, "the budget was checked before the search"
            return choices, facts
        tried: list[tuple[float, dict[str, dict[int, int]], dict[str, Choice]]] = []
        factor, ratios = 1 + budget.slack, [1.0]
        for left in reversed(range(budget.finalists)):
            factor = factor if left else 1 / max(1.0, median(ratios))
            found = best(budget.times(factor), [kept for _, kept, _ in tried])
            if found is None:
                break
            kept = {kind: choice.kept(cell) for kind, choice in found.items()}
            genotype = self.genotype_of(kept)
            tried.append((budget.measure(genotype), kept, found))
            if budget.keeps_limit(tried[-1][0]):
                break
            ratios.append(tried[-1][0] / [*budget.amounts(genotype).values()][-1])
        within = [each for each in tried if budget.keeps_limit(each[0])]
        measured, _, choices = within[0] if within else min(tried, key=lambda each: each[0])
        finalists = [amount for amount, _, _ in tried]
        return choices, {**facts, "measured": measured, "measured_finalists": finalists}

    def genotype_of(self, kept: Mapping[str, Mapping[int, int]]) -> Genotype:
        """Return the architecture with the given edges, each with the column of its operation."""
        cell = self.decisions.cell
        return Genotype(
            {kind: cell_of(columns, cell) for kind, columns in kept.items()}, self.name, cell.genotype_space
        )

    def leading(self) -> dict[str, dict[int, int]]:
        """Return the architecture that would be derived now without limits on skips and costs."""
        cell, factors = self.decisions.cell, self.factors()
        return {
            kind: choose(cell, rows, None if factors is None else factors[kind]).kept(cell)
            for kind, rows in self.probabilities().items()
        }

    def derived(self) -> dict[str, dict[int, int]]:
        """Return the architecture that would be derived now, within all limits."""
        return {kind: choice.kept(self.decisions.cell) for kind, choice in self.choices().items()}

    def finish(self) -> Outcome:
        """Decide all edges and nodes at once; derive other architectures for tighter limits of the budget."""
        cell = self.decisions.cell
        budgets = [None] if self.plan.budget is None else self.plan.budget.each()
        (choices, facts), *tighter = map(self.settled, budgets)
        others = [
            Derived(self.genotype_of({kind: choice.kept(cell) for kind, choice in found.items()}), own)
            for found, own in tighter
        ]
        decisions = decide(self.decisions, choices)
        return Outcome(self.genotype(), decisions, facts, others)

    def genotype(self) -> Genotype:
        """Return the architecture that was decided."""
        return self.decisions.genotype(self.name)

    def remaining(self) -> int:
        """Return the number of architectures: all of them, then one."""
        return self.decisions.remaining()

    def snapshot(self) -> dict[str, Any]:
        """Return the weights."""
        return {kind: {"alpha": rounded(w)} for kind, w in self.probabilities().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return alpha and the decisions."""
        return {"alpha": table_state(self.alpha), "decisions": self.decisions.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore alpha and the decisions."""
        load_table(self.alpha, state["alpha"])
        self.decisions.load_state_dict(state["decisions"])


def stacked(edges: Mapping[int, nn.Parameter]) -> Tensor:
    """Return the parameters of a kind's edges as one tensor, edge by edge."""
    return torch.stack(list(edges.values()))
