"""Hierarchical differentiable architecture search: cells for each stage, then the wiring of each stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.kernels import constant
from autodas.networks import check_cells, count_parameters
from autodas.operations import TRAIN_NORMS, build
from autodas.spaces import Alive, Space, fit_skeleton, stage_space
from autodas.strategies._depth import edge_probabilities, expected_depth
from autodas.strategies._derivation import best_choice, decide
from autodas.strategies._discretisation import Decision, Discretisation
from autodas.strategies._relaxation import Table, load_table, named, new_table, rounded, table_state
from autodas.strategies._relaxed import Relaxed
from autodas.strategies.base import Outcome, Phase, SearchPlan
from autodas.strategies.settings import HDASSettings
from autodas.supernet import CellMixture
from autodas.zoo import load_genotype


class HDAS(Relaxed):
    r"""H-DAS (Liu et al., 2021) at one of two levels, or at both in sequence.

    Cell level: first-order DARTS in a space whose stages have cells of their own (``cifar_stages-darts``); in
    other spaces it searches the existing kinds. Stage level: the cells are given, and they are the nodes of
    the searched graph (:func:`autodas.spaces.stage_graphs`). Every stage has its own stage graph; a cell
    reads a sum over the three preceding states, of max pool, average pool, identity and ``none``, and keeps
    two of them. At both levels the mixture is the softmax over operations, the architecture step comes first,
    and the architecture is derived, as in DARTS, from the parameters of the epoch whose relaxed network was
    the best on the validation half.

    At the stage level every architecture step is followed by a second optimiser step on the depth loss

    .. math:: L = -\lambda \sum_{stages} \frac 1n \sum_i d_i, \quad
        d_i = \frac 1m \sum_{j} a_{ij} (d_j + 1),

    over the n cells of a stage and the m states in the window of each, with d = 0 for the inputs. If the
    number of cells of a stage is searched (``lengths``), the stage's output is the sum of its outputs after
    each number of cells, weighted by the softmax p of separate parameters; the depth of cell i (from 0), the
    last of a graph of i + 1 cells, then counts :math:`1 + i p_{i+1}` times, and ``length_weight`` times the
    mean length of each stage is added.

    Left open by the sources, and our choice: :math:`a_{ij}` is the softmax over a cell's window of the
    largest parameter of an operation other than ``none`` on each edge; the public trainer of stages instead
    sums raw parameters over all operations, which is no depth. The same :math:`a_{ij}` rank the edges in the
    derivation. Such a loss has a gradient 34 times smaller at the start than that of the public trainer,
    whose weight is 1: our default is :math:`\lambda = 30`. The weights are the current ones; the public
    code takes the architecture's data gradient at a copy of the initial ones, by mistake. With both levels
    each has half of the iterations. Of equally good epochs the first is kept.

    Sources: the abstract, and the public code and settings (AAAI 2021); the paper's body was not available.
    """

    name = "hdas"
    separate_penalty = True
    scores_epochs = True
    several_limits = False
    settings: HDASSettings

    def __init__(self, settings: HDASSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        self.spaces: dict[str, Space] = {}
        if plan.budget is not None and settings.level != "cells":
            raise AutodasError(
                f"a budget limits the cells, but level '{settings.level}' then wires them: use "
                "`strategy.level=cells`"
            )
        if settings.level == "both" and plan.space.skeleton.K == 0:
            raise AutodasError(
                "level 'both' finds the cells of each stage and then wires them, but with K=0 stages have no "
                "cells: use `space.K` of 1 or more, or `strategy.level=cells`"
            )
        if settings.level != "stages":
            self.spaces["cells"] = plan.space
        if settings.level != "cells":
            K = max(settings.lengths, default=settings.cells_a_stage)
            self.spaces["stages"] = stage_space(plan.space.skeleton.with_size(K=K), settings.lengths)
        self.levels = list(self.spaces)
        self.given = None if settings.genotype is None else load_genotype(settings.genotype)
        self.cells = self.given
        if "stages" in self.spaces:
            _check(self.spaces["stages"], self.given or _dearest_cells(plan.space))
        self.level = self.levels[0]
        self._begin()

    def _begin(self) -> None:
        self.decisions = Discretisation(self.space.cell, self.space.kinds)
        self.alpha: Table = {}
        self.gamma: Table = {}
        self.chosen: dict[str, int] = {}
        self.epochs = 0
        self.best: dict[str, Any] | None = None

    @property
    def space(self) -> Space:
        """Search space of the current level."""
        return self.spaces[self.level]

    def phases(self) -> list[Phase]:
        """Return one phase for each level; they share the iterations equally."""
        phases = []
        for number, level in enumerate(self.levels):
            space, share = self.spaces[level], self.plan.iterations // len(self.levels)
            iterations = share if number == 0 else self.plan.iterations - number * share
            cells = None if level == "cells" else self.given or _dearest_cells(self.plan.space)
            alive = Discretisation(space.cell, space.kinds).alive()
            phases.append(Phase(level, space, max(1, iterations), 0, alive, cells))
        return phases

    def present(self, phase: Phase, number: int) -> Phase:
        """Return a level with the cells found by the one before it."""
        return phase if phase.cells is None or self.cells is None else replace(phase, cells=self.cells)

    def begin(self, number: int, device: torch.device | str) -> None:
        """Initialise the architecture parameters of a level."""
        self.level, self.device = self.levels[number], device
        self._begin()
        lengths, seed = self.space.cell.lengths, self.plan.seed + 2 * number
        self.draw_alpha(len(self.space.cell.operations), seed)
        if lengths:
            std = self.settings.initial_std
            self.gamma = new_table(self.space.kinds, 1, (len(lengths),), std, seed + 1, device)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return alpha, one vector for each edge, and gamma, one for each stage whose length is searched."""
        return {**super().parameters(), **named("gamma", self.gamma)}

    def mixture(self) -> dict[str, CellMixture]:
        """Return the softmax of alpha on every edge, and that of gamma over lengths."""
        lengths = self._lengths()
        return {kind: replace(cell, outputs=lengths.get(kind)) for kind, cell in super().mixture().items()}

    def _lengths(self) -> dict[str, Tensor]:
        return {kind: table[0].softmax(0) for kind, table in self.gamma.items()}

    def factors(self) -> dict[str, list[float]] | None:
        """Return factors that rank a cell's edges as the depth loss does, at the stage level.

        The weight of an edge's best operation becomes its share a of the cell's window.
        """
        if self.level == "cells":
            return None
        factors, cell = {}, self.space.cell
        for kind, rows in self.probabilities().items():
            alpha = [edge.detach().double() for edge in self.alpha[kind].values()]
            shares = torch.cat(list(edge_probabilities(cell, alpha).values())).tolist()
            factors[kind] = [
                share / row[best_choice(cell, row)[0]] for share, row in zip(shares, rows, strict=True)
            ]
        return factors

    def penalty(self) -> Tensor | None:
        """Return the depth loss, at the stage level, and the loss of lengths if they are searched."""
        if self.level == "cells" or not (self.settings.depth_weight or self.gamma):
            return None
        cell, lengths = self.space.cell, self._lengths()
        terms = []
        if self.settings.depth_weight > 0:
            terms = [
                -self.settings.depth_weight
                * expected_depth(cell, edge_probabilities(cell, list(edges.values())), lengths.get(kind))
                for kind, edges in self.alpha.items()
            ]
        for likely in lengths.values():
            mean = (likely * constant(cell.lengths, likely.device)).sum()
            terms.append(self.settings.length_weight * mean)
        return torch.stack(terms).sum()

    def alive(self) -> dict[str, Alive]:
        """Return all candidates, until the end."""
        cell, alive = self.space.cell, super().alive()
        for kind, nodes in self.chosen.items():
            beyond = cell.inputs + nodes
            alive[kind] = tuple(
                row if state < beyond else (False,) * len(row)
                for row, (_, state) in zip(alive[kind], cell.edges, strict=True)
            )
        return alive

    def after_epoch(self, score: Callable[[], float]) -> None:
        """Keep the parameters if the relaxed network is the best so far on the validation half."""
        self.epochs += 1
        accuracy = score()
        if self.best is None or accuracy > self.best["top1"]:
            self.best = {
                "epoch": self.epochs,
                "top1": accuracy,
                "alpha": table_state(self.alpha),
                "gamma": table_state(self.gamma),
            }

    def go_back(self) -> bool:
        """Go back to the parameters of the best epoch."""
        if self.best is None:
            return False
        load_table(self.alpha, self.best["alpha"])
        load_table(self.gamma, self.best["gamma"])
        return bool(self.best["epoch"] != self.epochs)

    def finish(self) -> Outcome:
        """Decide everything by the parameters of the best epoch."""
        self.go_back()
        choices, costs = self.settled(self.plan.budget)
        decisions = [*decide(self.decisions, choices), *self._choose_lengths()]
        cells, name = self.decisions.cells(), f"{self.name}-{self.level}"
        for kind, nodes in self.chosen.items():
            concat = self.space.cell.concat_of(nodes)
            cells[kind] = replace(cells[kind], nodes=cells[kind].nodes[:nodes], concat=concat)
        if self.level == "cells":
            self.cells = Genotype(cells, name, self.plan.space.cell.genotype_space)
            genotype = self.cells
        else:
            assert self.cells is not None
            genotype = replace(self.cells, name=name, stages=cells)
        facts = {} if self.best is None else {"epoch": self.best["epoch"], "epoch_top1": self.best["top1"]}
        return Outcome(genotype, decisions, {**facts, **costs})

    def _choose_lengths(self) -> list[Decision]:
        """Decide the number of cells of each stage: the most probable one, or the first of equals."""
        taken = []
        for kind, likely in self._lengths().items():
            order = likely.detach().double().sort(descending=True, stable=True)
            self.chosen[kind] = self.space.cell.lengths[int(order.indices[0])]
            lead = float(order.values[0] - order.values[1]) if len(likely) > 1 else 0.0
            detail = {"nodes": self.chosen[kind]}
            step = self.decisions.done + len(self.chosen)
            taken.append(Decision(step, kind, "length", detail, lead, self.remaining()))
        return taken

    def remaining(self) -> int:
        """Return the number of architectures of this level: all of them, then one."""
        if self.gamma and not self.decisions.done:
            return self.space.architectures
        return super().remaining()

    def snapshot(self) -> dict[str, Any]:
        """Return the mixing weights, and those of lengths."""
        shown = super().snapshot()
        for kind, likely in self._lengths().items():
            shown[kind]["lengths"] = rounded(likely.detach().double().tolist())
        return shown

    def state_dict(self) -> dict[str, Any]:
        """Return alpha, the best epoch, the decisions, and the cells to be wired."""
        return {
            **super().state_dict(),
            "gamma": table_state(self.gamma),
            "chosen": dict(self.chosen),
            "epochs": self.epochs,
            "best": deepcopy(self.best),
            "cells": None if self.cells is None else self.cells.to_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`."""
        super().load_state_dict(state)
        load_table(self.gamma, state["gamma"])
        self.chosen = dict(state["chosen"])
        self.epochs, self.best = state["epochs"], deepcopy(state["best"])
        self.cells = None if state["cells"] is None else Genotype.from_dict(state["cells"])


def _check(space: Space, cells: Genotype) -> None:
    check_cells(cells, fit_skeleton(space.skeleton, replace(cells, stages={})))


def _dearest_cells(space: Space) -> Genotype:
    """Return cells in which every edge has the operation with most weights: an upper bound for any result."""
    cell = space.cell

    def weights(operation: str) -> int:
        with torch.device("meta"):
            return count_parameters(build(operation, 16, (1,) * space.skeleton.dimensions, TRAIN_NORMS))

    operation = max(cell.choices, key=weights)
    nodes: Sequence[tuple[Edge, ...]] = [
        tuple(Edge(operation, p) for p in cell.predecessors(state)[-cell.kept_edges(state) :])
        for state in cell.states
    ]
    drawn = CellGenotype(tuple(nodes), cell.concat, cell.inputs)
    return Genotype(dict.fromkeys(space.kinds, drawn), "dearest", cell.genotype_space)
