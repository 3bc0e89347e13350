"""PC-DARTS: partial channels, and edges normalised at each node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from autodas.strategies._regularised import Regularised
from autodas.strategies._relaxation import Table, load_table, named, new_table, rounded, table_state
from autodas.strategies._relaxed import stacked
from autodas.strategies.base import SearchPlan
from autodas.strategies.settings import PCDARTSSettings
from autodas.supernet import CellMixture


class PCDARTS(Regularised):
    r"""PC-DARTS (Xu et al., 2020): a quarter of the channels is searched, and edges compete by beta.

    An edge into node j is :math:`\bar\beta_e \sum_o \mathrm{softmax}(\alpha_e)_o\, o(x)`, with
    :math:`\bar\beta_e = \exp(\beta_e) / \sum_{e' \to j} \exp(\beta_{e'})` over the edges that enter the same
    node. One channel in four passes through the candidates; the others bypass them and are multiplied by
    :math:`\bar\beta_e` alone. For the first 15 of 50 epochs only the weights are trained. At the end an edge
    keeps its strongest operation and a node the k edges with the largest
    :math:`\bar\beta_e \max_o \mathrm{softmax}(\alpha_e)_o`.

    Deviations are those of DAS: running statistics and the learning rate of the weights.

    Sources: the paper, sections 3.2 to 3.4; numbers from its public code. The priority of a decision on an
    edge is the lead in :math:`\mathrm{softmax}(\alpha_e)`, without beta, so that it can be compared with
    other methods (our choice).
    """

    name = "pcdarts"
    partial_channels = 4
    settings: PCDARTSSettings

    def __init__(self, settings: PCDARTSSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        self.beta: Table = {}

    def begin(self, number: int, device: torch.device | str) -> None:
        """Initialise alpha and beta."""
        super().begin(number, device)
        cell, std = self.plan.space.cell, self.settings.initial_std
        self.beta = new_table(self.plan.space.kinds, len(cell.edges), (), std, self.plan.seed + 1, device)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return alpha, one vector for each edge, and beta, one number for each edge."""
        return {**super().parameters(), **named("beta", self.beta)}

    def edges(self, beta: Tensor) -> Tensor:
        """Return the factors of edges: the softmax of beta over the edges that enter the same node."""
        incoming = [len(self.plan.space.cell.incoming(state)) for state in self.plan.space.cell.states]
        # Edges are ordered by the nodes that they enter.
        return torch.cat([part.softmax(0) for part in torch.split(beta, incoming)])

    def mixture(self) -> dict[str, CellMixture]:
        """Return the softmax of alpha on every edge, and that of beta at every node."""
        return {
            kind: replace(cell, edges=self.edges(stacked(self.beta[kind])))
            for kind, cell in super().mixture().items()
        }

    def factors(self) -> dict[str, list[float]]:
        """Return the factors of edges as numbers."""
        return {
            kind: self.edges(stacked(edges).detach().double()).tolist() for kind, edges in self.beta.items()
        }

    def snapshot(self) -> dict[str, Any]:
        """Return both softmaxes."""
        factors = self.factors()
        return {kind: {**shown, "beta": rounded(factors[kind])} for kind, shown in super().snapshot().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return alpha, beta and the decisions."""
        return {**super().state_dict(), "beta": table_state(self.beta)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore alpha, beta and the decisions."""
        super().load_state_dict(state)
        load_table(self.beta, state["beta"])
