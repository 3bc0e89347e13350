"""Scheduled differentiable architecture search: decisions are taken one by one during the search."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from autodas.spaces import Alive, all_alive
from autodas.strategies._derivation import best_choice, best_edges
from autodas.strategies._discretisation import Decision, Discretisation
from autodas.strategies._regularisation import ArchitectureRegularisation
from autodas.strategies._relaxation import (
    Table,
    load_table,
    named,
    new_table,
    rounded,
    rows,
    table_state,
)
from autodas.strategies._schedules import schedule, steps_due
from autodas.strategies._stability import Stability
from autodas.strategies.base import LossOf, Outcome, Phase, SearchPlan, Strategy, part_of, single_phase
from autodas.strategies.settings import SDASSettings
from autodas.supernet import CellMixture, mixture_of


class SDAS(Strategy):
    r"""SDAS (Qiu et al., 2019): operations are fixed edge by edge and node by node, by a schedule.

    An open edge is :math:`\sigma(\beta_e) \sum_o \mathrm{softmax}(\alpha_e)_o\, o(x)` (equation 2), a
    resolved one :math:`\sigma(\beta_e)\, o^*(x)` (equation 4), and a decided node the plain sum of its k
    edges (equation 1). In every iteration the weight step comes first, then alpha and beta step on a
    validation batch, then the most certain open decisions are taken until the schedule is met
    (algorithm 1). The priority of an edge is the lead of its strongest operation over the second, that of
    a node the lead of its rank-k predecessor over rank k + 1; all kinds of cells share one queue. Ties go
    to the first kind, edges before nodes, then to the lower number.

    Left open by the paper, and our choice: leads are compared between softmax and sigmoid values, so that
    both lie in [0, 1]. Nodes with no more than k predecessors have nothing to decide: they become plain sums
    when their last edge is resolved, and M counts the other nodes only (this reproduces table 1). ``none``,
    in spaces that have it but do not allow it in genotypes, takes no part in decisions. Adam's other settings
    are those of DARTS. Once a node is decided its betas are removed; with ``keep_beta`` they are kept and
    trained until the last iteration.

    Not in the paper, and off by default: ``warmup`` and ``settle`` are shares of the search before the first
    and after the last decision, in which the weights are trained as usual. In a search of a hundred
    iterations the first decisions of schedule C are otherwise taken after a few steps of the architecture,
    and schedule B takes the last third of its decisions in the last tenth, where the weights, with a learning
    rate near 0, cannot follow. ``weights_only`` keeps the architecture as it is for a share of the search; no
    decision is taken then.
    """

    name = "sdas"
    architecture_first = False
    settings: SDASSettings

    def __init__(self, settings: SDASSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        self.warmup = max(settings.warmup, settings.weights_only)
        self.schedule = partial(
            steps_due,
            schedule(settings.schedule),
            iterations=plan.iterations,
            warmup=self.warmup,
            settle=settings.settle,
        )
        self.decisions = Discretisation(plan.space.cell, plan.space.kinds)
        self.regularisation = ArchitectureRegularisation(settings, plan)
        self.stability = Stability(plan.iterations)
        self.alpha: Table = {}
        self.beta: Table = {}

    def phases(self) -> list[Phase]:
        """Return the single phase."""
        cell, kinds, total = self.plan.space.cell, self.plan.space.kinds, self.plan.iterations
        alive = {kind: all_alive(cell) for kind in kinds}
        (phase,) = single_phase(self.plan, alive, self.settings.weights_only)
        return [
            replace(phase, warmup=part_of(total, self.warmup), settle=part_of(total, self.settings.settle))
        ]

    def begin(self, number: int, device: torch.device | str) -> None:
        """Initialise the architecture parameters with zeros, or randomly."""
        cell, kinds = self.plan.space.cell, self.plan.space.kinds
        edges, std, seed = len(cell.edges), self.settings.initial_std, self.plan.seed
        self.alpha = new_table(kinds, edges, (len(cell.operations),), std, seed, device)
        self.beta = new_table(kinds, edges, (), std, seed + 1, device)
        self.regularisation.begin(self.plan.iterations, device)
        self.device = device

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return alpha of the open edges, and beta of the edges into undecided nodes."""
        return {**named("alpha", self.alpha), **named("beta", self.beta)}

    def mixture(self) -> dict[str, CellMixture]:
        """Return softmax of alpha and sigmoid of beta where they exist, and 1 elsewhere.

        Open edges have the auxiliary skip, if there is one.
        """
        return self._mixture(self.regularisation.with_skip)

    def weight_mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the weight step: that of the architecture step, smoothed."""
        return self.regularisation.smoothed(super().weight_mixture())

    def penalty(self) -> Tensor | None:
        """Return the beta-decay of alpha on open edges."""
        return self.regularisation.penalty({k: [*edges.values()] for k, edges in self.alpha.items()})

    def _mixture(self, with_skip: Callable[[Tensor], Tensor] = lambda rows: rows) -> dict[str, CellMixture]:
        mixture = mixture_of(self.decisions.alive(), self.device)
        for kind, cell in mixture.items():
            weights, edges = cell.weights, torch.ones(len(cell.active), device=self.device)
            if self.alpha[kind]:
                numbers, alpha = rows(self.alpha[kind], weights)
                weights = weights.index_copy(0, numbers, with_skip(alpha.softmax(-1)))
            if self.beta[kind]:
                numbers, beta = rows(self.beta[kind], edges)
                edges = edges.index_copy(0, numbers, beta.sigmoid())
            mixture[kind] = CellMixture(weights, cell.active, edges if self.beta[kind] else None)
        return mixture

    def alive(self) -> dict[str, Alive]:
        """Return the candidates that no decision has excluded."""
        return self.decisions.alive()

    def after_iteration(self, iteration: int, loss_of: LossOf | None = None) -> list[Decision]:
        """Take the decisions that the schedule requires after this iteration."""
        due = self.schedule(iteration, steps=self.decisions.total)
        taken = []
        while self.decisions.done < due:
            taken.append(self._decide(loss_of))
        if iteration >= self.plan.iterations:
            self.beta = {kind: {} for kind in self.beta}
        self.regularisation.advance(iteration)
        if self.settings.stability:
            self.stability.record(iteration, self._open_weights())
        return taken

    def _decide(self, loss_of: LossOf | None = None) -> Decision:
        """Take the open decision of highest priority after which a budget can still be met."""
        cell = self.plan.space.cell
        alpha = self._open_weights()
        stability = self.stability.of(alpha) if self.settings.stability else {}
        beta = {
            kind: {e: float(p.detach().double().sigmoid()) for e, p in table.items()}
            for kind, table in self.beta.items()
        }
        kind, number, choice, lead = self._first(alpha, beta, stability)
        if self.settings.select == "drop" and loss_of is not None:
            choice = self._most_missed(kind, number, choice, loss_of)
        while not self._affordable(kind, number, choice):
            if isinstance(choice, int):
                assert alpha[kind, number][choice] > 0, "every operation is too expensive, even the cheapest"
                alpha[kind, number][choice] = 0.0
                kind, number, choice, lead = self._first(alpha, beta, stability)
            else:
                sets = map(list, combinations(cell.incoming(number), cell.kept_edges(number)))
                affordable = [edges for edges in sets if self._affordable(kind, number, edges)]
                choice, lead = max(affordable, key=lambda edges: sum(beta[kind][e] for e in edges)), 0.0
        if isinstance(choice, int):
            decision = self.decisions.fix_edge(kind, number, choice, lead)
            del self.alpha[kind][number]
            state = cell.edges[number][1]
        else:
            decision = self.decisions.fix_node(kind, number, choice, lead)
            state = number
        if self.decisions.node_decided(kind, state):
            self._drop_betas(kind, state)
        return decision

    def _open_weights(self) -> dict[tuple[str, int], list[float]]:
        return {
            (kind, e): p.detach().double().softmax(-1).tolist()
            for kind, table in self.alpha.items()
            for e, p in table.items()
        }

    def _first(
        self,
        alpha: Mapping[tuple[str, int], list[float]],
        beta: Mapping[str, Mapping[int, float]],
        stability: Mapping[tuple[str, int], float],
    ) -> tuple[str, int, int | list[int], float]:
        """Return the open decision of highest priority: kind, edge or node, column or edges, lead."""
        cell = self.plan.space.cell
        candidates: list[tuple[str, int, int | list[int], float]] = [
            (kind, e, *best_choice(cell, alpha[kind, e])) for kind, e in self.decisions.open_edges()
        ]
        candidates += [
            (kind, s, *best_edges(cell.incoming(s), beta[kind], cell.kept_edges(s)))
            for kind, s in self.decisions.open_nodes()
        ]
        # max() returns the first of equals; the sort is stable, so edges stay before nodes.
        candidates.sort(key=lambda c: self.decisions.kinds.index(c[0]))
        # Nodes have no stability of their own.
        return max(
            candidates, key=lambda c: c[3] * stability.get(c[:2], 1.0) if isinstance(c[2], int) else c[3]
        )

    def _most_missed(
        self, kind: str, number: int, choice: int | list[int], loss_of: LossOf
    ) -> int | list[int]:
        """Return what is left of an edge or a node if what is missed least is discarded.

        Each operation of the edge, or each edge of the node, is left out in turn; the loss without it tells
        how much it is missed. Choices after which the budget cannot be met are passed over.
        """
        cell = self.plan.space.cell
        if isinstance(choice, int):
            columns = [o for o, name in enumerate(cell.operations) if name in cell.choices]
            missed = {o: loss_of(self._without(kind, number, o)) for o in columns}
            ranked = sorted(columns, key=lambda o: -missed[o])
            return next((o for o in ranked if self._affordable(kind, number, o)), choice)
        edges = cell.incoming(number)
        missed = {e: loss_of(self._without(kind, e)) for e in edges}
        return sorted(edges, key=lambda e: -missed[e])[: cell.kept_edges(number)]

    def _without(self, kind: str, edge: int, column: int | None = None) -> dict[str, CellMixture]:
        """Return the current mixture without one operation of an edge, or without the whole edge."""
        mixture = {name: cell.detach() for name, cell in self._mixture().items()}
        weights, active = mixture[kind].weights.clone(), list(mixture[kind].active)
        columns = range(weights.shape[1]) if column is None else [column]
        for o in columns:
            weights[edge, o] = 0
        active[edge] = tuple(there and o not in columns for o, there in enumerate(active[edge]))
        return {**mixture, kind: replace(mixture[kind], weights=weights, active=tuple(active))}

    def _affordable(self, kind: str, number: int, choice: int | list[int]) -> bool:
        """Return whether the budget can still be met after a decision."""
        if self.plan.budget is None:
            return True
        trial = deepcopy(self.decisions)
        if isinstance(choice, int):
            trial.fix_edge(kind, number, choice, 0.0)
        else:
            trial.fix_node(kind, number, choice, 0.0)
        return self.plan.budget.can_be_met(trial.alive())

    def _drop_betas(self, kind: str, state: int) -> None:
        kept = self.decisions.kept[kind].get(state, tuple(self.plan.space.cell.incoming(state)))
        for edge in self.plan.space.cell.incoming(state):
            if not (self.settings.keep_beta and edge in kept):
                self.beta[kind].pop(edge, None)

    def finish(self) -> Outcome:
        """Return the architecture, after the decisions still open if the search has ended early."""
        taken = []
        while self.decisions.done < self.decisions.total:
            taken.append(self._decide())
        return Outcome(self.decisions.genotype(f"{self.name}-{self.settings.schedule}"), taken)

    def leading(self) -> dict[str, dict[int, int]]:
        """Return the operations and edges that are decided or currently lead."""
        cell, leading = self.plan.space.cell, {}
        for kind in self.decisions.kinds:
            column = dict(self.decisions.operation[kind])
            for edge, alpha in self.alpha[kind].items():
                column[edge] = best_choice(cell, alpha.detach().tolist())[0]
            kept: list[int] = []
            for state in cell.states:
                edges = cell.incoming(state)
                if state in self.decisions.kept[kind]:
                    edges = list(self.decisions.kept[kind][state])
                elif cell.must_choose_edges(state):
                    beta = {edge: float(self.beta[kind][edge].detach()) for edge in edges}
                    edges = best_edges(edges, beta, cell.kept_edges(state))[0]
                kept += edges
            leading[kind] = {edge: column[edge] for edge in sorted(kept)}
        return leading

    def remaining(self) -> int:
        """Return the number of architectures that the decisions leave."""
        return self.decisions.remaining()

    def decision_times(self) -> list[int]:
        """Return the iterations of the schedule, one for each decision."""
        steps, iterations = self.decisions.total, range(1, self.plan.iterations + 1)
        due = partial(self.schedule, steps=steps)
        # Schedules never fall, so that the first iteration with enough steps can be searched for.
        return [iterations[bisect_left(iterations, step, key=due)] for step in range(1, steps + 1)]

    def expected_cost(self, share: float) -> float:
        """Return the expected share of candidates alive: it falls to one per edge, k edges per node."""
        cell = self.plan.space.cell
        everything = len(cell.edges) * len(cell.operations)
        final = sum(cell.kept_edges(state) for state in cell.states)
        iteration = round(share * self.plan.iterations)
        due = self.schedule(iteration, steps=self.decisions.total)
        decided = due / self.decisions.total
        return (1 - decided) + decided * final / everything

    def snapshot(self) -> dict[str, Any]:
        """Return softmax of alpha and sigmoid of beta; ``None`` for decided edges."""
        shown = {}
        for kind, mixture in self._mixture().items():
            weights = mixture.weights.detach().tolist()
            edges = [None] * len(weights) if mixture.edges is None else mixture.edges.detach().tolist()
            shown[kind] = {
                "alpha": rounded([w if e in self.alpha[kind] else None for e, w in enumerate(weights)]),
                "beta": rounded([b if e in self.beta[kind] else None for e, b in enumerate(edges)]),
            }
        return shown

    def state_dict(self) -> dict[str, Any]:
        """Return alpha, beta, the decisions and the state of regularisation."""
        return {
            "alpha": table_state(self.alpha),
            "beta": table_state(self.beta),
            "decisions": self.decisions.state_dict(),
            "regularisation": self.regularisation.state_dict(),
            "stability": self.stability.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore alpha, beta, the decisions and the state of regularisation."""
        self.decisions.load_state_dict(state["decisions"])
        for kind, decided in self.decisions.operation.items():
            for edge in decided:
                self.alpha[kind].pop(edge, None)
            for node in self.plan.space.cell.states:
                if self.decisions.node_decided(kind, node):
                    self._drop_betas(kind, node)
        if self.decisions.done == self.decisions.total and not any(state["beta"].values()):
            self.beta = {kind: {} for kind in self.beta}
        load_table(self.alpha, state["alpha"])
        load_table(self.beta, state["beta"])
        if "regularisation" in state:  # checkpoints of version 0.1 lack it
            self.regularisation.load_state_dict(state["regularisation"])
            self.stability.load_state_dict(state["stability"], self._open_weights())
