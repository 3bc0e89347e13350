"""What a search method is to the search loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from autodas.genotype import Genotype
from autodas.spaces import Alive, Space
from autodas.strategies._discretisation import Decision
from autodas.supernet import CellMixture

if TYPE_CHECKING:
    from autodas.strategies._budget import Budget

ArchitectureGradient = Literal["first", "exact", "finite"]


@dataclass(frozen=True)
class SearchPlan:
    """What a strategy is told before the search.

    Args:
        space: where to search.
        iterations: the budget T: iterations of a weight step and an architecture step each.
        seed: of everything random that the strategy does.
        multiply_adds: cost of one forward pass over one picture of a supernet of which exactly these
            candidates are alive.
        iterations_an_epoch: batches in one epoch of the training half.
        budget: what the network of the result may cost; ``None`` for no limit.
    """

    space: Space
    iterations: int
    seed: int
    multiply_adds: Callable[[Mapping[str, Alive]], int]
    iterations_an_epoch: int = 1
    budget: Budget | None = None


@dataclass(frozen=True)
class Phase:
    """One part of a search: a new supernet, trained for a number of iterations.

    Args:
        name: what logs call it.
        space: the space, whose skeleton may differ from phase to phase.
        iterations: how many.
        weights_only: how many of them, at the start, leave the architecture alone.
        alive: the candidates that its supernet starts with.
        cells: where whole cells are the nodes of what is searched (H-DAS, stage level): those cells.
    """

    name: str
    space: Space
    iterations: int
    weights_only: int
    alive: Mapping[str, Alive]
    cells: Genotype | None = None


@dataclass(frozen=True)
class Derived:
    """An architecture that could have been derived instead, under another rule.

    Args:
        genotype: the architecture.
        facts: what sets it apart, as plain data, such as ``{"skips": 3}``.
    """

    genotype: Genotype
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a phase ends in.

    Args:
        genotype: the architecture; ``None`` where a phase only prepares the next one.
        decisions: those that were taken at the end.
        facts: of the architecture, as plain data, for its entry among the candidates.
        others: architectures that other rules would have derived from the same weights; they are written
            down and evaluated, and take no part in the choice of the result.
    """

    genotype: Genotype | None
    decisions: Sequence[Decision] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    others: Sequence[Derived] = ()


class Strategy(ABC):
    """A search method: it decides with which weights candidates are mixed, and which of them stay.

    It never touches data, devices, logs or files. For every phase the loop calls :meth:`start`, which
    returns the phase as it is then; in every iteration it takes the gradient steps and calls
    :meth:`after_iteration`, and at the end of the phase :meth:`finish`. What :meth:`alive` no longer contains
    after a call is pruned from the supernet and leaves the optimisers, as do parameters that
    :meth:`parameters` no longer returns.

    Args:
        settings: the strategy's own settings.
        plan: what is searched, and for how long.
    """

    name: str
    architecture_first = True
    """Whether the architecture step comes before the weight step in an iteration, as in DARTS."""

    single_level = False
    """Whether weights and architecture are trained by one backward pass on one training batch (SNAS), instead
    of each by its own, the architecture on a validation batch."""

    architecture_gradient: ArchitectureGradient = "first"
    """``"first"`` takes the weights as they are; ``"exact"`` and ``"finite"`` differentiate through one
    step of the weights (DARTS, equations 6 to 8), by autograd or by finite differences."""

    architecture_clip = 0.0
    """Largest norm of the architecture gradient; 0 for no limit."""

    separate_penalty = False
    """Whether :meth:`penalty` gets an optimiser step of its own after the architecture step (H-DAS),
    instead of being added to that step's loss."""

    chooses: Literal["best", "last"] = "last"
    """Which of the phases' architectures is the result: the best on the validation half, or the last one."""

    partial_channels = 1
    """One channel in so many goes through the candidates of an edge, unless the user says otherwise."""

    def __init__(self, settings: Any, plan: SearchPlan) -> None:
        self.settings = settings
        self.plan = plan

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the parts of the search, the same at any time.

        Those that end in a genotype are candidates for the result. What a later phase starts with may depend
        on what those before it found; here it is the dearest that it can be, for estimates of what is needed.
        """

    def start(self, number: int, device: torch.device | str, state: Mapping[str, Any] | None = None) -> Phase:
        """Begin a phase, or go on in it, and return it with what it starts with.

        Args:
            number: its place among :meth:`phases`.
            device: where its architecture parameters are.
            state: of :meth:`state_dict`, where the phase goes on; ``None`` where it begins.
        """
        self.begin(number, device)
        if state is not None:
            self.load_state_dict(state)
        return self.present(self.phases()[number], number)

    @abstractmethod
    def begin(self, number: int, device: torch.device | str) -> None:
        """Make the architecture parameters of a phase, on a device."""

    def present(self, phase: Phase, number: int) -> Phase:
        """Return a phase with what it really starts with, after those before it.

        Args:
            phase: as :meth:`phases` has it.
            number: its place among them.
        """
        return phase

    @abstractmethod
    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the architecture parameters that still exist, by name."""

    @abstractmethod
    def mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the architecture step, differentiable in :meth:`parameters`.

        It is the same however often it is asked for, until :meth:`after_iteration`: what is sampled is
        sampled there, with generators of the strategy's own.
        """

    def weight_mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the weight step, as constants."""
        with torch.no_grad():
            return {kind: cell.detach() for kind, cell in self.mixture().items()}

    def penalty(self) -> Tensor | None:
        """Return a term of the architecture's loss that needs no pictures; ``None`` where there is none."""
        return None

    def constants(self) -> Hashable:
        """Return the numbers of the host that an iteration computes with, such as rates that change by epoch.

        While they and what is alive stay the same, an iteration does the same as the one before it, and can
        be recorded. Methods whose candidates change from iteration to iteration return ``None``: they are
        never recorded.
        """
        return ()

    @abstractmethod
    def alive(self) -> dict[str, Alive]:
        """Return what has not been given up."""

    def after_iteration(self, iteration: int) -> list[Decision]:
        """Do what the method does between iterations; return the decisions that were taken.

        Args:
            iteration: number of finished iterations of this phase, from 1.
        """
        return []

    def after_epoch(self, score: Callable[[], float]) -> None:  # noqa: B027 (most methods do nothing)
        """Take note of the end of an epoch of this phase.

        Args:
            score: evaluates the supernet under :meth:`mixture` on the validation half, in percent. It takes
                time: methods that do not need it leave it alone.
        """

    @abstractmethod
    def finish(self) -> Outcome:
        """End a phase: decide what is still open."""

    @abstractmethod
    def remaining(self) -> int:
        """Return how many architectures are still possible."""

    def leading(self) -> dict[str, dict[int, int]]:
        """Return what would be derived if the search ended now, for each kind: edge to column.

        Empty where nothing is relaxed.
        """
        return {}

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
        """Take over the state of :meth:`state_dict`, after :meth:`begin` of the same phase."""

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
