"""SNAS: the architecture is sampled in every iteration, and trained through the sample's distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.kernels import sent
from autodas.strategies._discretisation import Decision
from autodas.strategies._relaxed import Relaxed, stacked
from autodas.strategies._resources import Cost, mean_by_kind, slot_costs
from autodas.strategies.base import LossOf, SearchPlan
from autodas.strategies.settings import SNASSettings
from autodas.supernet import CellMixture, Noise

RESOURCE_WEIGHTS = {
    "log": {"none": 0.0, "mild": 5e-4, "moderate": 1.5e-3, "aggressive": 5e-3},
    "linear": {"none": 0.0, "mild": 4e-6, "moderate": 1.2e-5, "aggressive": 4e-5},
}
"""Strength of the resource term by name. The paper's are not documented: ``moderate`` is the value of the
public code for the form with logarithms, and everything else is our choice."""


EVALUATED = 8
"""Number of samples of the architecture whose mean accuracy is that of the relaxed network."""


class SNAS(Relaxed):
    r"""Stochastic NAS (Xie et al., 2019): weights and architecture learn from one sample and one batch.

    An edge mixes its candidates by one sample of the Concrete distribution, shared by all cells of a kind,

    .. math:: Z_e = \mathrm{softmax}((\alpha_e + G_e) / \lambda), \quad G = -\log(-\log U),

    with the logarithms alpha as parameters and U uniform. The temperature falls from 1 to 0.03 epoch by
    epoch, linearly, :math:`\lambda = \lambda_1 + (\lambda_0 - \lambda_1)(1 - e / E)`, or exponentially,
    :math:`\lambda_0 (\lambda_1 / \lambda_0)^{e / E}`. A single backward pass on a training batch moves both
    sets of parameters (``bilevel`` gives the architecture separate validation batches). Each image
    independently drops whole edges with probability 0.3.

    The loss has a resource term, :math:`\eta \sum_e \sum_o Z_{e,o}\, c_{e,o}`, over the edges of all kinds.
    In the logarithmic form c is the mean of the logarithms of parameters, multiply-adds and memory access,
    each at least 1; the linear form is 0.43 (2 parameters + multiply-adds / 4000 + memory access / 100). Both
    are means over the cells of a kind, for images of the size of the skeleton.

    At the end every edge keeps its most probable operation, including ``none`` in spaces that allow it
    (``snas``); in others ``none`` is never chosen and nodes keep their k most probable edges, as in DAS.

    Left open, and our choice: whether logarithms are taken of candidates or of edges (candidates, so that the
    term is linear in the sample); the strengths ``mild``, ``moderate`` and ``aggressive``; a constant rate of
    drop path.

    Deviations are those of DAS: running statistics and the learning rate of the weights.

    Sources: the paper, sections 2.2 to 2.4; numbers and the resource term from its public code.
    """

    name = "snas"
    architecture_clip = 10.0
    settings: SNASSettings

    def __init__(self, settings: SNASSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        if settings.resource == "aggressive" and "none" not in plan.space.cell.operations:
            raise AutodasError(
                f"strategy.resource=aggressive drives edges to 'none', which space '{plan.space.name}' does "
                "not have: use one that has it, such as cifar-snas, or strategy.resource=moderate"
            )
        self.initial_mean = settings.initial_mean
        self.single_level = not settings.bilevel
        self.strength = resource_weight(settings)
        self.iteration = 0

    def begin(self, number: int, device: torch.device | str) -> None:
        """Initialise alpha, and draw the first sample."""
        super().begin(number, device)
        settings, cell, kinds = self.settings, self.plan.space.cell, self.plan.space.kinds
        shape = (len(cell.edges), len(cell.operations))
        self.costs = {}
        if self.strength > 0:
            self.costs = {
                kind: costs.to(device) for kind, costs in candidate_costs(self.plan, settings).items()
            }
        self.generator = torch.Generator().manual_seed(self.plan.seed + 1)
        # Persistent tensors: an iteration is the same sequence of operations whatever is drawn.
        self.gumbel = {kind: torch.zeros(shape, device=device) for kind in kinds}
        self.heat = torch.ones((), device=device)
        self.iteration = 0
        self._draw()

    def _draw(self) -> None:
        """Draw the sample of the next iteration, at its temperature."""
        for noise in self.gumbel.values():
            noise.copy_(sent(gumbel(noise.shape, self.generator), noise.device))
        self.heat.fill_(self.temperature())

    def temperature(self) -> float:
        """Return the temperature in the epoch of the next iteration."""
        unit = self.plan.iterations_an_epoch
        epochs = math.ceil(self.plan.iterations / unit)
        share = min(self.iteration // unit, epochs - 1) / epochs
        first, last = self.settings.temperature, self.settings.final_temperature
        if self.settings.annealing == "exponential":
            return first * math.exp(share * math.log(last / first))
        return last + (first - last) * (1 - share)

    def mixture(self) -> dict[str, CellMixture]:
        """Return the sample, differentiable in alpha."""
        noise, alive = Noise(drop_path=self.settings.drop_path), self.alive()
        return {
            kind: CellMixture(self._sample(stacked(edges), self.gumbel[kind]), alive[kind], noise=noise)
            for kind, edges in self.alpha.items()
        }

    def _sample(self, alpha: Tensor, noise: Tensor) -> Tensor:
        return ((alpha + noise) / self.heat).softmax(-1)

    def evaluation_mixtures(self) -> list[dict[str, CellMixture]]:
        """Return samples of their own: a single one has the accuracy of one architecture, by chance."""
        generator, alive = torch.Generator().manual_seed(self.plan.seed + 2), self.alive()
        return [
            {
                kind: CellMixture(
                    self._sample(alpha, gumbel(alpha.shape, generator).to(alpha.device)), alive[kind]
                )
                for kind, alpha in ((kind, stacked(edges).detach()) for kind, edges in self.alpha.items())
            }
            for _ in range(EVALUATED)
        ]

    def penalty(self) -> Tensor | None:
        """Return the resource term of the sample."""
        if not self.costs:
            return None
        terms = [
            (self._sample(stacked(edges), self.gumbel[kind]) * self.costs[kind]).sum()
            for kind, edges in self.alpha.items()
        ]
        return self.strength * torch.stack(terms).sum()

    def after_iteration(self, iteration: int, loss_of: LossOf | None = None) -> list[Decision]:
        """Draw the next sample."""
        self.iteration = iteration
        self._draw()
        return []

    def state_dict(self) -> dict[str, Any]:
        """Return alpha, the decisions, the sample and the state of the generator."""
        return {
            **super().state_dict(),
            "gumbel": {kind: noise.clone() for kind, noise in self.gumbel.items()},
            "generator": self.generator.get_state(),
            "iteration": self.iteration,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a search."""
        super().load_state_dict(state)
        for kind, noise in self.gumbel.items():
            noise.copy_(state["gumbel"][kind])
        self.generator.set_state(state["generator"].cpu())
        self.iteration = state["iteration"]
        self.heat.fill_(self.temperature())


def gumbel(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw standard Gumbel noise; on the CPU, so that it is the same for every device."""
    # Exponentially distributed numbers are -log U.
    drawn = torch.empty(tuple(shape), device="cpu").exponential_(generator=generator)
    return -drawn.clamp_min(torch.finfo(drawn.dtype).tiny).log()


def resource_weight(settings: SNASSettings) -> float:
    """Return the strength of the resource term."""
    named = RESOURCE_WEIGHTS[settings.resource_form]
    return named[settings.resource] if isinstance(settings.resource, str) else settings.resource


def candidate_costs(plan: SearchPlan, settings: SNASSettings) -> dict[str, Tensor]:
    """Return the cost of every candidate in the resource term, edges x operations for each kind."""
    one = log_cost if settings.resource_form == "log" else linear_cost
    costs = [
        (slot, [[one(cost) for cost in row] for row in rows])
        for slot, rows in slot_costs(plan.space.cell, plan.space.skeleton)
    ]
    return mean_by_kind(plan.space, costs)


def log_cost(cost: Cost) -> float:
    """Return the mean of the logarithms of all three costs, each taken as at least 1."""
    return sum(math.log(max(1, number)) for number in cost) / len(cost)


def linear_cost(cost: Cost) -> float:
    """Return the weighted sum of all three costs."""
    return 0.43 * (2 * cost.parameters + cost.multiply_adds / 4000 + cost.memory_access / 100)
