"""Interface between search methods and the search loop."""

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

LossOf = Callable[[Mapping[str, CellMixture]], float]
"""Function that returns the loss of the supernet under a mixture, on fixed samples of the validation half."""


@dataclass(frozen=True)
class SearchPlan:
    """Facts given to a strategy before the search.

    Args:
        space: the search space.
        iterations: T, the number of iterations, each with a weight step and an architecture step.
        seed: seed of the strategy's random numbers.
        multiply_adds: cost of one forward pass of a supernet for one sample, given the candidates alive.
        iterations_an_epoch: number of batches in one epoch of the training half.
        budget: budget of the resulting network; ``None`` for no limit.
    """

    space: Space
    iterations: int
    seed: int
    multiply_adds: Callable[[Mapping[str, Alive]], int]
    iterations_an_epoch: int = 1
    budget: Budget | None = None


@dataclass(frozen=True)
class Phase:
    """Phase of a search: a new supernet, trained for a number of iterations.

    Args:
        name: name in logs.
        space: the space, whose skeleton may differ from phase to phase.
        iterations: number of iterations.
        weights_only: number of iterations, at the start, in which the architecture is not trained.
        alive: candidates that its supernet starts with.
        cells: the cells that are the nodes of the searched graph, if these are whole cells (H-DAS, stage
            level).
        warmup, settle: number of iterations, at the start and at the end, in which nothing is decided, of a
            method that decides during the search.
    """

    name: str
    space: Space
    iterations: int
    weights_only: int
    alive: Mapping[str, Alive]
    cells: Genotype | None = None
    warmup: int = 0
    settle: int = 0


@dataclass(frozen=True)
class Derived:
    """Alternative architecture, derived by another rule.

    Args:
        genotype: the architecture.
        facts: its distinguishing facts, as plain data, such as ``{"skips": 3}``.
    """

    genotype: Genotype
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a phase.

    Args:
        genotype: the architecture; ``None`` if a phase only prepares the next one.
        decisions: decisions taken at the end.
        facts: facts about the architecture, as plain data, for its entry among the candidates.
        others: architectures that other rules would have derived from the same weights; they are saved and
            evaluated, but are not candidates for the result.
    """

    genotype: Genotype | None
    decisions: Sequence[Decision] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    others: Sequence[Derived] = ()


class Strategy(ABC):
    """Search method: it decides the weights with which candidates are mixed, and which candidates remain.

    It never touches data, devices, logs or files. For every phase the loop calls :meth:`start`, which returns
    the phase in its current form; in every iteration it takes the gradient steps and calls
    :meth:`after_iteration`, and at the end of the phase :meth:`finish`. Candidates that :meth:`alive` no
    longer contains after a call are pruned from the supernet and removed from the optimisers, as are
    parameters that :meth:`parameters` no longer returns.

    Args:
        settings: the strategy's settings.
        plan: what to search, and for how long.
    """

    name: str
    architecture_first = True
    """Whether the architecture step comes before the weight step in an iteration, as in DARTS."""

    single_level = False
    """Whether weights and architecture are trained by one backward pass on one training batch (SNAS), instead
    of separately, the architecture on a validation batch."""

    architecture_gradient: ArchitectureGradient = "first"
    """``"first"`` uses the current weights; ``"exact"`` and ``"finite"`` differentiate through one
    step of the weights (DARTS, equations 6 to 8), by autograd or by finite differences."""

    architecture_clip = 0.0
    """Maximum norm of the architecture gradient; 0 for no limit."""

    separate_penalty = False
    """Whether :meth:`penalty` gets a separate optimiser step after the architecture step (H-DAS), instead of
    being added to that step's loss."""

    chooses: Literal["best", "last"] = "last"
    """Choice of the result among the phases' architectures: the best on the validation half, or the last."""

    trained_share = 1.0
    """Share of the iterations in which a given parameter of the architecture is trained (EDAS: one edge)."""

    scores_epochs = False
    """Whether :meth:`after_epoch` evaluates the supernet, for estimates of time."""

    several_limits = False
    """Whether one search gives an architecture for each of several limits."""

    partial_channels = 1
    """K, if 1/K of the channels pass through the candidates of an edge; the user can override it."""

    def __init__(self, settings: Any, plan: SearchPlan) -> None:
        self.settings = settings
        self.plan = plan

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the phases of the search; the same at any time.

        Those that end in a genotype are candidates for the result. The candidates or cells that a later phase
        starts with may depend on the results of earlier ones; here they are the most expensive possible, for
        estimates.
        """

    def start(self, number: int, device: torch.device | str, state: Mapping[str, Any] | None = None) -> Phase:
        """Begin or resume a phase, and return it with the candidates or cells it starts with.

        Args:
            number: its index in :meth:`phases`.
            device: device of its architecture parameters.
            state: state of :meth:`state_dict` to resume from; ``None`` for a new phase.
        """
        self.begin(number, device)
        if state is not None:
            self.load_state_dict(state)
        return self.present(self.phases()[number], number)

    @abstractmethod
    def begin(self, number: int, device: torch.device | str) -> None:
        """Create the architecture parameters of a phase, on a device."""

    def present(self, phase: Phase, number: int) -> Phase:
        """Return a phase with what it actually starts with, given the results of earlier ones.

        Args:
            phase: the phase as in :meth:`phases`.
            number: its index there.
        """
        return phase

    @abstractmethod
    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the remaining architecture parameters, by name."""

    @abstractmethod
    def mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the architecture step, differentiable in :meth:`parameters`.

        Repeated calls return the same mixture until :meth:`after_iteration`: samples are drawn there, with
        generators of the strategy's own.
        """

    def weight_mixture(self) -> dict[str, CellMixture]:
        """Return the mixture of the weight step, as constants."""
        with torch.no_grad():
            return {kind: cell.detach() for kind, cell in self.mixture().items()}

    def penalty(self) -> Tensor | None:
        """Return a term of the architecture's loss that needs no samples; ``None`` if there is none."""
        return None

    def constants(self) -> Hashable:
        """Return host-side numbers that an iteration depends on, such as rates that change by epoch.

        While these and the candidates alive are unchanged, iterations are identical, and can be recorded.
        Methods whose candidates change in every iteration return ``None``: they are never recorded.
        """
        return ()

    @abstractmethod
    def alive(self) -> dict[str, Alive]:
        """Return the candidates that have not been discarded."""

    def after_iteration(self, iteration: int, loss_of: LossOf | None = None) -> list[Decision]:
        """Run the method's steps between iterations; return the decisions taken.

        Args:
            iteration: number of finished iterations of this phase, from 1.
            loss_of: evaluates the supernet with its present weights. It takes time: methods that do not need
                it should not call it. ``None`` in estimates of time, and where there are no samples.
        """
        return []

    def after_epoch(self, score: Callable[[], float]) -> None:  # noqa: B027 (most methods do nothing)
        """Handle the end of an epoch of this phase.

        Args:
            score: evaluates the supernet under :meth:`mixture` on the validation half, in percent. It takes
                time: methods that do not need it should not call it.
        """

    def evaluation_mixtures(self) -> list[dict[str, CellMixture]]:
        """Return the mixtures whose mean accuracy is the relaxed one: several, if mixtures are random."""
        return [self.mixture()]

    def go_back(self) -> bool:
        """Go back to earlier parameters of the architecture, if those are the ones it will be derived from.

        Called once, after the last epoch of a phase.

        Returns:
            Whether the parameters have changed.
        """
        return False

    @abstractmethod
    def finish(self) -> Outcome:
        """End a phase, deciding everything still open."""

    @abstractmethod
    def remaining(self) -> int:
        """Return the number of architectures still possible."""

    def leading(self) -> dict[str, dict[int, int]]:
        """Return the architecture that would be derived now without limits, for each kind: edge to column.

        Limits on skips and costs are left out: they would hide a collapse. Empty if nothing is relaxed.
        """
        return {}

    def derived(self) -> dict[str, dict[int, int]]:
        """Return the architecture that would be derived now, within all limits; empty if there is none."""
        return self.leading()

    def decision_phase(self) -> Phase:
        """Return the phase that ends with the result."""
        return self.phases()[-1]

    def decision_times(self) -> Sequence[int]:
        """Return the iterations of that phase after which something will be decided; not empty."""
        return [self.decision_phase().iterations]

    def expected_cost(self, share: float) -> float:
        """Return the expected share of all candidates computed in an iteration, for estimates of time left.

        Args:
            share: share of the phase's iterations that are done, in [0, 1].
        """
        return 1.0

    def snapshot(self) -> dict[str, Any]:
        """Return the architecture weights as plain numbers, for the event log."""
        return {}

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume a phase, as tensors and plain data."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`, after :meth:`begin` of the same phase."""

    def optimiser(self) -> torch.optim.Optimizer | None:
        """Return the optimiser of the architecture parameters (Adam); ``None`` if there are none."""
        parameters = list(self.parameters().values())
        if not parameters:
            return None
        return torch.optim.Adam(
            parameters,
            lr=self.settings.learning_rate,
            betas=self.settings.betas,
            weight_decay=self.settings.weight_decay,
            fused=True,
            # Counts steps on the device, so that an iteration can be recorded.
            capturable=parameters[0].is_cuda,
        )


def single_phase(plan: SearchPlan, alive: Mapping[str, Alive], weights_only: float = 0.0) -> list[Phase]:
    """Return the single phase of a method that trains one supernet from start to end.

    Args:
        plan: plan of the search.
        alive: candidates that the supernet starts with.
        weights_only: share of the iterations, at the start, in which the architecture is not trained.
    """
    return [Phase("search", plan.space, plan.iterations, part_of(plan.iterations, weights_only), alive)]


def part_of(iterations: int, share: float) -> int:
    """Return the given share of the iterations, rounded; at least one remains."""
    return min(iterations - 1, round(share * iterations))
