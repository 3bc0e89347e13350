"""Regularisation of a relaxed architecture: beta-decay, random smoothing and an auxiliary skip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autodas.kernels import sent
from autodas.strategies.base import SearchPlan
from autodas.strategies.settings import RegularisedSettings
from autodas.supernet import CellMixture

SMOOTHING_AT_START = 0.1
"""Radius of the noise at the start, as a share of that at the end (SDARTS: 0.03 of 0.3)."""


class ArchitectureRegularisation:
    r"""Three ways to keep an architecture from collapsing, whose strength changes with the iterations.

    With iteration t of T, each off at 0:

    * **beta-decay** (Ye et al., 2022, equation 6): :math:`\lambda \frac{t}{T} \frac{1}{|E|} \sum_e \log
      \sum_o \exp \alpha_{e,o}` is added to the loss of the architecture, for each kind. Its gradient is the
      softmax of alpha: the strongest operation is held back most.
    * **smoothing** (SDARTS-RS; Chen and Hsieh, 2020): the weight step sees :math:`\mathrm{softmax}(\alpha_e)
      + U(-\epsilon_t, \epsilon_t)`, clipped at 0 and scaled to the same sum, where :math:`\epsilon_t` rises
      linearly from a tenth of its last value. The weights then suit neighbouring architectures as well.
    * **auxiliary skip** (DARTS-; Chu et al., 2021): :math:`\gamma (1 - t/T)` times a skip is added to every
      edge whose operation is open, so that alpha need not grow for the skip's help in training.
      The skip is the edge's own candidate: where it reduces, DARTS- has separate weights.

    Args:
        settings: strengths of all three.
        plan: plan of the search.
    """

    def __init__(self, settings: RegularisedSettings, plan: SearchPlan) -> None:
        self.settings, self.plan = settings, plan
        self.skip = [name == "skip_connect" for name in plan.space.cell.operations]

    def begin(self, iterations: int, device: torch.device | str) -> None:
        """Begin a phase.

        Args:
            iterations: its number of iterations.
            device: device of the architecture parameters.
        """
        cell, kinds = self.plan.space.cell, self.plan.space.kinds
        self.iterations = iterations
        # Persistent tensors: an iteration is the same sequence of operations whatever their values.
        self.progress = torch.zeros((), device=device)
        self.columns = torch.tensor(self.skip, dtype=torch.get_default_dtype(), device=device)
        shape = (len(cell.edges), len(cell.operations))
        self.noise = {kind: torch.zeros(shape, device=device) for kind in kinds if self.settings.smoothing}
        self.generator = torch.Generator().manual_seed(self.plan.seed + 3)
        self.advance(0)

    def advance(self, iteration: int) -> None:
        """Set the strengths of the next iteration, and draw its noise.

        Args:
            iteration: number of finished iterations of the phase.
        """
        share = iteration / self.iterations
        self.progress.fill_(share)
        radius = self.settings.smoothing * (SMOOTHING_AT_START + (1 - SMOOTHING_AT_START) * share)
        for noise in self.noise.values():
            drawn = torch.rand(noise.shape, generator=self.generator, device="cpu")
            noise.copy_(sent(radius * (2 * drawn - 1), noise.device))

    def penalty(self, alphas: Mapping[str, Sequence[Tensor]]) -> Tensor | None:
        """Return the beta-decay of alpha; ``None`` if there is none.

        Args:
            alphas: for each kind, the vectors of the edges that are open.
        """
        if not self.settings.beta_decay or not any(alphas.values()):
            return None
        edges = len(self.plan.space.cell.edges)
        terms = [torch.stack([*rows]).logsumexp(-1).sum() / edges for rows in alphas.values() if rows]
        return self.settings.beta_decay * self.progress * torch.stack(terms).sum()

    def with_skip(self, weights: Tensor) -> Tensor:
        """Return softmaxed weights with the auxiliary skip, where a skip is among the candidates.

        Args:
            weights: shape (open edges, operations); 0 for what is not a candidate.
        """
        if not self.settings.auxiliary_skip:
            return weights
        return weights + self.settings.auxiliary_skip * (1 - self.progress) * self.columns * (weights > 0)

    def smoothed(self, mixture: Mapping[str, CellMixture]) -> dict[str, CellMixture]:
        """Return a mixture with noise on the weights of edges that have several candidates.

        Args:
            mixture: the mixture of the weight step.
        """
        return {
            kind: replace(cell, weights=_noisy(cell.weights, self.noise[kind])) if self.noise else cell
            for kind, cell in mixture.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the progress, the noise and the state of its generator."""
        return {
            "progress": self.progress.clone(),
            "noise": {kind: noise.clone() for kind, noise in self.noise.items()},
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`."""
        self.progress.copy_(state["progress"])
        for kind, noise in self.noise.items():
            noise.copy_(state["noise"][kind])
        self.generator.set_state(state["generator"].cpu())


def _noisy(weights: Tensor, noise: Tensor) -> Tensor:
    """Return weights with noise, clipped at 0, of which each row has the same sum; 0 remains 0."""
    noisy = ((weights + noise) * (weights > 0)).clamp_min(0)
    total = noisy.sum(-1, keepdim=True)
    scaled = noisy / total.clamp_min(torch.finfo(noisy.dtype).tiny) * weights.sum(-1, keepdim=True)
    return torch.where(total > 0, scaled, weights)
