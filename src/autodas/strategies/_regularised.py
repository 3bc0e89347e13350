"""Base of relaxed methods whose architecture can be regularised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autodas.strategies._discretisation import Decision
from autodas.strategies._regularisation import ArchitectureRegularisation
from autodas.strategies._relaxed import Relaxed
from autodas.strategies.base import LossOf, SearchPlan
from autodas.strategies.settings import RegularisedSettings
from autodas.supernet import CellMixture


class Regularised(Relaxed):
    """A relaxed method with beta-decay, smoothing and an auxiliary skip, all off by default."""

    settings: RegularisedSettings

    def __init__(self, settings: RegularisedSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        self.regularisation = ArchitectureRegularisation(settings, plan)

    def begin(self, number: int, device: torch.device | str) -> None:
        """Initialise alpha, and the strengths of regularisation."""
        super().begin(number, device)
        self.regularisation.begin(self.phases()[number].iterations, device)

    def mixture(self) -> dict[str, CellMixture]:
        """Return the weights of all candidates that are alive, with the auxiliary skip."""
        return {
            kind: replace(cell, weights=self.regularisation.with_skip(cell.weights))
            for kind, cell in super().mixture().items()
        }

    def weight_mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the weight step: that of the architecture step, smoothed."""
        return self.regularisation.smoothed(super().weight_mixture())

    def penalty(self) -> Tensor | None:
        """Return the beta-decay of alpha."""
        return self.regularisation.penalty({k: [*edges.values()] for k, edges in self.alpha.items()})

    def after_iteration(self, iteration: int, loss_of: LossOf | None = None) -> list[Decision]:
        """Set the strengths of regularisation for the next iteration."""
        self.regularisation.advance(iteration)
        return super().after_iteration(iteration, loss_of)

    def state_dict(self) -> dict[str, Any]:
        """Return alpha, the decisions and the state of regularisation."""
        return {**super().state_dict(), "regularisation": self.regularisation.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore alpha, the decisions and the state of regularisation."""
        super().load_state_dict(state)
        if "regularisation" in state:  # checkpoints of version 0.1 lack it
            self.regularisation.load_state_dict(state["regularisation"])
