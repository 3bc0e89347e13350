"""Differentiable architecture search: the baseline of the SDAS paper, DARTS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from autodas.strategies._derivation import derive
from autodas.strategies._discretisation import Discretisation
from autodas.strategies._relaxation import Table, load_table, named, new_table, rounded, table_state
from autodas.strategies.base import ArchitectureGradient, Outcome, Phase, SearchPlan, Strategy, single_phase
from autodas.strategies.settings import DASSettings
from autodas.supernet import Alive, CellMixture


class DAS(Strategy):
    r"""DARTS (Liu et al., 2019) in any space: everything is relaxed until the end.

    An edge is :math:`\sum_o \mathrm{softmax}(\alpha_e)_o\, o(x)`; there is no weight for the edge as a
    whole. In every iteration the architecture step, on a validation batch, comes first, then the weight
    step on a training batch. At the end each edge keeps its strongest operation and each node the k edges
    whose operation is strongest; ``none`` is in the softmax, where the space has it, but never wins.

    The first order takes the weights as they are in the architecture step, :math:`\nabla_\alpha L_{valid}(w,
    \alpha)`; the second order (``das2``) differentiates through their next step,
    :math:`\nabla_\alpha L_{valid}(w - \xi \nabla_w L_{train}(w, \alpha), \alpha)` (equation 6), with momentum
    and weight decay in that step as the optimiser has them, by autograd or by finite differences (equations 7
    and 8). That step is not clipped, and touches no running statistics.

    Deviations: running statistics of batch normalisation follow the weight step's batches only, where the
    public code updates them in both steps; the learning rate of the weights falls in every iteration, not
    every epoch.

    Sources: SDAS section 3.1 and 6.1 ("DAS is exactly the same setting as the DARTS (first order)");
    settings from the public DARTS code.
    """

    name = "das"
    settings: DASSettings

    def __init__(self, settings: DASSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        self.decisions = Discretisation(plan.space.cell, plan.space.kinds)
        self.alpha: Table = {}
        if settings.order == 2:
            self.architecture_gradient = cast(ArchitectureGradient, settings.unrolled)

    def phases(self) -> list[Phase]:
        """Return the one phase."""
        return single_phase(self.plan, self.decisions.alive())

    def start(self, phase: int, device: torch.device | str) -> None:
        """Draw the architecture parameters."""
        cell = self.plan.space.cell
        shape = (len(cell.operations),)
        self.alpha = new_table(
            self.plan.space.kinds, len(cell.edges), shape, self.settings.initial_std, self.plan.seed, device
        )

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return alpha, one vector for each edge."""
        return named("alpha", self.alpha)

    def mixture(self) -> dict[str, CellMixture]:
        """Return the softmax of alpha on every edge."""
        alive = self.decisions.alive()
        return {
            kind: CellMixture(torch.stack(list(edges.values())).softmax(-1), alive[kind])
            for kind, edges in self.alpha.items()
        }

    def alive(self) -> dict[str, Alive]:
        """Return everything, until the end."""
        return self.decisions.alive()

    def weights(self) -> dict[str, list[list[float]]]:
        """Return the mixing weights as numbers, edges x operations."""
        return {kind: m.weights.detach().double().tolist() for kind, m in self.mixture().items()}

    def finish(self) -> Outcome:
        """Decide all edges and nodes at once."""
        decisions = derive(self.decisions, self.weights())
        return Outcome(self.decisions.genotype(self.name), decisions)

    def remaining(self) -> int:
        """Return the number of architectures: all of them, then one."""
        return self.decisions.remaining()

    def snapshot(self) -> dict[str, Any]:
        """Return the mixing weights."""
        return {kind: {"alpha": rounded(w)} for kind, w in self.weights().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return alpha and the decisions."""
        return {"alpha": table_state(self.alpha), "decisions": self.decisions.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over alpha and the decisions."""
        load_table(self.alpha, state["alpha"])
        self.decisions.load_state_dict(state["decisions"])
