"""What a search method is to the search loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from autodas.genotype import Genotype
from autodas.spaces import Space
from autodas.strategies._discretisation import Decision
from autodas.supernet import Alive, CellMixture


@dataclass(frozen=True)
class SearchPlan:
    """What a strategy is told before the search.

    Args:
        space: where to search.
        iterations: the budget T: iterations of a weight step and an architecture step each.
        seed: of everything random that the strategy does.
        multiply_adds: cost of one forward pass over one picture of a supernet of which exactly these
            candidates are alive.
    """

    space: Space
    iterations: int
    seed: int
    multiply_adds: Callable[[Mapping[str, Alive]], int]


@dataclass(frozen=True)
class Phase:
    """One part of a search: a new supernet, trained for a number of iterations.

    Args:
        name: what logs call it.
        space: the space, whose skeleton may differ from phase to phase.
        iterations: how many.
        weights_only: how many of them, at the start, leave the architecture alone.
        alive: the candidates that its supernet starts with.
    """

    name: str
    space: Space
    iterations: int
    weights_only: int
    alive: Mapping[str, Alive]


class Strategy(ABC):
    """A search method: it decides with which weights candidates are mixed, and which of them stay.

    It never touches data, devices, logs or files. For every phase the loop calls :meth:`start`, then in
    every iteration takes the gradient steps and calls :meth:`after_iteration`, and at the end of the
    phase :meth:`finish`. What :meth:`alive` no longer contains after a call is pruned from the supernet
    and leaves the optimisers, as do parameters that :meth:`parameters` no longer returns.

    Args:
        settings: the strategy's own settings.
        plan: what is searched, and for how long.
    """

    name: str
    architecture_first = True
    """Whether the architecture step comes before the weight step in an iteration, as in DARTS."""

    steady = True
    """Whether an iteration does the same with the same numbers of the host as the one before it, unless
    :meth:`after_iteration` returned decisions: the same candidates, no temperature that falls. Then it can
    be recorded. Methods that sample candidates say no."""

    def __init__(self, settings: Any, plan: SearchPlan) -> None:
        self.settings = settings
        self.plan = plan

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the parts of the search. Those that end in a genotype are candidates for the result."""

    @abstractmethod
    def start(self, phase: int, device: torch.device | str) -> None:
        """Begin a phase: make its architecture parameters, on a device."""

    @abstractmethod
    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the architecture parameters that still exist, by name."""

    @abstractmethod
    def mixture(self) -> dict[str, CellMixture]:
        """Return the mixture for one forward pass, differentiable in :meth:`parameters`."""

    @abstractmethod
    def alive(self) -> dict[str, Alive]:
        """Return what has not been given up."""

    def after_iteration(self, iteration: int) -> list[Decision]:
        """Do what the method does between iterations; return the decisions that were taken.

        Args:
            iteration: number of finished iterations of this phase, from 1.
        """
        return []

    @abstractmethod
    def finish(self) -> tuple[Genotype, list[Decision]]:
        """End a phase: decide what is still open, and return the architecture."""

    @abstractmethod
    def remaining(self) -> int:
        """Return how many architectures are still possible."""

    def expected_cost(self, share: float) -> float:
        """Predict the share of all candidates that is computed in an iteration; the time left follows.

        Args:
            share: of the phase's iterations that are done, in [0, 1].
        """
        return 1.0

    def snapshot(self) -> dict[str, Any]:
        """Return the architecture weights as plain numbers, for the event log."""
        return {}

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed phase needs, tensors and plain data."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the state of :meth:`state_dict`, after :meth:`start` of the same phase."""

    def optimiser(self) -> torch.optim.Optimizer | None:
        """Return the optimiser of the architecture parameters (Adam), ``None`` where there are none."""
        parameters = list(self.parameters().values())
        if not parameters:
            return None
        return torch.optim.Adam(
            parameters,
            lr=self.settings.learning_rate,
            betas=self.settings.betas,
            weight_decay=self.settings.weight_decay,
            fused=True,
            # Steps are counted on the device, so that an iteration can be recorded.
            capturable=parameters[0].is_cuda,
        )


def single_phase(plan: SearchPlan, alive: Mapping[str, Alive]) -> list[Phase]:
    """Return the one phase of a method that trains one supernet from start to end."""
    return [Phase("search", plan.space, plan.iterations, 0, alive)]
