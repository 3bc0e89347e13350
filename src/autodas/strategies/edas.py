"""EDAS: one edge is relaxed at a time, all others are clamped to their currently derived operation."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random as Generator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.kernels import constant, sent
from autodas.spaces import alive_of, random_cell
from autodas.strategies._derivation import columns_of
from autodas.strategies._discretisation import Decision
from autodas.strategies._relaxed import Relaxed
from autodas.strategies.base import LossOf, SearchPlan
from autodas.strategies.settings import EDASSettings
from autodas.supernet import CellMixture


class Sample(NamedTuple):
    """Edges of one cell kind in one gradient step.

    Attributes:
        clamped: edge to the column of its single operation; other edges are absent.
        relaxed: edges that are mixed instead, in order.
    """

    clamped: dict[int, int]
    relaxed: list[int]


class EDAS(Relaxed):
    r"""Efficient DAS (Hong, Ahn, Kim, 2019), as far as it is known.

    According to the paper's abstract, the choice of an architecture is a binary optimisation, of one path for
    each edge of the DAG of a repeated cell; only **one sampled edge is relaxed at a time** and the variables
    of all others are clamped to 0 or 1, so that pruning costs no accuracy; the small relaxation allows the
    search of a deeper network; several regularisation methods help exploration.

    Everything else is our choice, as the paper's text and code were not available:

    * The clamped network is the one currently derived from alpha: on each edge the strongest operation, at
      each node the k edges whose operation is strongest. It is determined once per iteration.
    * The relaxed edge is drawn uniformly from the edges of all kinds. It mixes its candidates by
      :math:`\mathrm{softmax}(\alpha_e)`, in place of its clamped operation, or in addition to the others if
      the clamped cell does not contain it, so that it can win its place.
    * The architecture step, on a validation batch, moves alpha of that edge alone: others get no gradient,
    and
      Adam, including its weight decay, leaves them unchanged. The weight step draws its own sample.
    * Derivation is that of DAS, and gives the clamped network: it loses no accuracy.
    * Exploration, off by default: ``random_share`` of the iterations train the weights of architectures drawn
      uniformly; ``epsilon`` is the probability that a clamped edge has an operation drawn uniformly;
      ``entropy`` rewards the entropy of the relaxed edges, decreasing towards the end of the search;
      ``skip_limit`` is the limit of P-DARTS, whenever an architecture is derived from alpha.
    """

    name = "edas"
    settings: EDASSettings

    def __init__(self, settings: EDASSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        edges = len(plan.space.cell.edges)
        if settings.edges_per_kind > edges:
            raise AutodasError(
                f"strategy.edges_per_kind={settings.edges_per_kind}, but cells of space '{plan.space.name}' "
                f"have {edges} edges"
            )
        each, kinds = settings.edges_per_kind, len(plan.space.kinds)
        self.trained_share = each / edges if each else 1 / (edges * kinds)
        self.weights_only = settings.random_share
        self.iteration = 0

    def begin(self, number: int, device: torch.device | str) -> None:
        """Initialise alpha, and draw the samples of the first iteration."""
        super().begin(number, device)
        self.iteration, self.generator = 0, Generator(self.plan.seed)
        self._draw()

    def _draw(self) -> None:
        """Draw the samples of both steps of the next iteration."""
        clamped = self.derived()
        self.for_architecture = self._sample(clamped)
        self.for_weights = self._sample(clamped)
        if self.iteration < self.phases()[0].weights_only:
            self.for_weights = {kind: Sample(self._random_cell(), []) for kind in clamped}

    def _random_cell(self) -> dict[int, int]:
        cell = self.plan.space.cell
        return columns_of(alive_of(random_cell(cell, self.generator), cell))

    def _sample(self, clamped: Mapping[str, Mapping[int, int]]) -> dict[str, Sample]:
        cell, draw, epsilon = self.plan.space.cell, self.generator, self.settings.epsilon
        choices = [o for o, name in enumerate(cell.operations) if name in cell.choices]
        edges, each = range(len(cell.edges)), self.settings.edges_per_kind
        if each:
            relaxed = {kind: sorted(draw.sample(edges, each)) for kind in clamped}
        else:
            chosen = draw.choice(list(clamped)), draw.choice(edges)
            relaxed = {kind: [chosen[1]] if kind == chosen[0] else [] for kind in clamped}
        samples = {}
        for kind, kept in clamped.items():
            others = {
                edge: draw.choice(choices) if epsilon > 0 and draw.random() < epsilon else column
                for edge, column in kept.items()
                if edge not in relaxed[kind]
            }
            samples[kind] = Sample(others, relaxed[kind])
        return samples

    def mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the architecture step."""
        return self._mixture(self.for_architecture)

    def weight_mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the weight step."""
        return {kind: cell.detach() for kind, cell in self._mixture(self.for_weights).items()}

    def clamped_mixture(self) -> dict[str, CellMixture]:
        """Return the mixture without relaxed edges: the currently derived architecture."""
        return self._mixture({kind: Sample(kept, []) for kind, kept in self.derived().items()})

    def _mixture(self, samples: Mapping[str, Sample]) -> dict[str, CellMixture]:
        count, mixture = len(self.plan.space.cell.operations), {}
        for kind, (clamped, relaxed) in samples.items():
            edges = range(len(self.plan.space.cell.edges))
            ones = [[clamped.get(edge) == o for o in range(count)] for edge in edges]
            weights = sent(torch.tensor(ones, dtype=torch.get_default_dtype()), self.device)
            if relaxed:
                mixed = torch.stack([self.alpha[kind][edge] for edge in relaxed]).softmax(-1)
                weights = weights.index_copy(0, constant(tuple(relaxed), self.device), mixed)
            active = tuple((True,) * count if e in relaxed else tuple(row) for e, row in enumerate(ones))
            mixture[kind] = CellMixture(weights, active)
        return mixture

    def penalty(self) -> Tensor | None:
        """Return the reward for the entropy of the relaxed edges."""
        reward = self.settings.entropy * (1 - self.iteration / self.plan.iterations)
        if reward <= 0:
            return None
        relaxed = [(kind, e) for kind, sample in self.for_architecture.items() for e in sample.relaxed]
        logarithms = torch.stack([self.alpha[kind][edge].log_softmax(-1) for kind, edge in relaxed])
        entropy: Tensor = -(logarithms.exp() * logarithms).sum(-1).mean()
        return -reward * entropy

    def constants(self) -> None:
        """Return ``None``: the computation changes in every iteration."""
        return

    def after_iteration(self, iteration: int, loss_of: LossOf | None = None) -> list[Decision]:
        """Draw the samples of the next iteration."""
        self.iteration = iteration
        self._draw()
        return []

    @property
    def most_skips(self) -> int | None:
        """Maximum number of skips in cells that do not reduce."""
        return self.settings.skip_limit

    def state_dict(self) -> dict[str, Any]:
        """Return alpha, the decisions, the samples and the state of the generator."""
        return {
            **super().state_dict(),
            "samples": [
                {kind: (sample.clamped, sample.relaxed) for kind, sample in samples.items()}
                for samples in (self.for_architecture, self.for_weights)
            ],
            "generator": self.generator.getstate(),
            "iteration": self.iteration,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a search."""
        super().load_state_dict(state)
        self.for_architecture, self.for_weights = (
            {kind: Sample(*sample) for kind, sample in samples.items()} for samples in state["samples"]
        )
        self.generator.setstate(state["generator"])
        self.iteration = state["iteration"]
