"""One phase of a search while it runs: a supernet, its strategy, two optimisers, one iteration at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.search._unrolled import VirtualStep, exact_gradient, finite_gradient
from autodas.strategies.base import ArchitectureGradient, Phase, Strategy
from autodas.supernet import Mixture, Supernet, frozen_statistics, norms_of
from autodas.training import (
    Graphs,
    LossWatch,
    Meter,
    OptimSettings,
    Precision,
    RecordedIteration,
    keep_only,
    learning_rate,
    load_optimiser,
    micro_batches,
    recorder_for,
    set_learning_rate,
    weight_optimiser,
)

Pictures = tuple[Tensor, Tensor]
"""Images and labels of one batch."""


class PhaseRun:
    """What lives as long as a phase.

    Args:
        phase: which one.
        number: its place among the phases.
        strategy: the method; it has been told to start the phase.
        supernet: a new one.
        optim: settings of the weights' optimiser.
        iterations_an_epoch: batches in one epoch.
        device: where everything is computed.
        precision: of the forward passes.
        micro_batches: parts that the batches of both gradient steps are split into.
        graphs: whether iterations are recorded where that is possible.
        say: is told, in one line, when recording fails.
    """

    def __init__(
        self,
        phase: Phase,
        number: int,
        strategy: Strategy,
        supernet: Supernet,
        optim: OptimSettings,
        iterations_an_epoch: int,
        device: torch.device,
        precision: Precision,
        micro_batches: int = 1,
        graphs: Graphs = "auto",
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.phase, self.number, self.strategy, self.supernet = phase, number, strategy, supernet
        self.optim, self.iterations_an_epoch = optim, iterations_an_epoch
        self.device, self.precision, self.micro_batches = device, precision, micro_batches
        self.iteration = 0
        self.supernet.prune(strategy.alive())
        self._collect()
        self._make_optimisers()
        self.train_meter, self.valid_meter = Meter(device), Meter(device)
        self.watch = LossWatch(device)
        self.gradient_steps = RecordedIteration(self._gradient_steps, recorder_for(device, graphs), say)
        self._constants: Hashable = None

    def _collect(self) -> None:
        # A supernet has thousands of modules: its lists are made when it changes, not in every step.
        self.weights = list(self.supernet.parameters())
        self.norms = norms_of(self.supernet)

    def _make_optimisers(self) -> None:
        self.weight_optimiser = weight_optimiser(self.weights, self.optim)
        self.architecture_optimiser = self.strategy.optimiser()

    def new_meters(self) -> None:
        """Begin an epoch's sums."""
        self.train_meter.reset()
        self.valid_meter.reset()

    @property
    def trains_architecture(self) -> bool:
        """Whether the next iteration moves the architecture."""
        return self.architecture_optimiser is not None and self.iteration >= self.phase.weights_only

    @property
    def searches(self) -> bool:
        """Whether it does so in a step of its own, on a validation batch."""
        return self.trains_architecture and not self.strategy.single_level

    def forward(
        self, images: Tensor, mixture: Mixture, weights: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return logits in single precision, computed in the precision of the search.

        Args:
            images: a batch.
            mixture: of the candidates.
            weights: those of the supernet by name, where others are to be used than its own.
        """
        reduced = self.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16) if reduced else nullcontext():
            if weights is None:
                logits: Tensor = self.supernet(images, mixture)
            else:
                logits = functional_call(self.supernet, dict(weights), (images, mixture))
        return logits if logits.dtype == torch.float64 else logits.float()

    def step(self, train: Batch, valid: Batch | None) -> None:
        """Do one iteration: both gradient steps, in the strategy's order.

        Args:
            train: for the weights.
            valid: for the architecture; ``None`` where there is no architecture step.
        """
        if not self.supernet.training:
            self.supernet.train()
        rate = learning_rate(self.optim, self.iteration, self.phase.iterations, self.iterations_an_epoch)
        set_learning_rate(self.weight_optimiser, rate)
        batches = [train] if valid is None else [train, valid]
        constants = self.strategy.constants()
        if (constants, self.trains_architecture) != self._constants:
            self._constants = constants, self.trains_architecture
            self.gradient_steps.forget()
        steps = self._gradient_steps if constants is None else self.gradient_steps
        losses = steps(*(t for batch in batches for t in (batch.images, batch.labels)))
        for name, loss in zip(("weight", "architecture"), losses, strict=False):
            self.watch.add(self.iteration + 1, name, loss)
        self.iteration += 1

    def _gradient_steps(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """Do both steps and return their losses; nothing of the host changes, so that it can be recorded.

        Args:
            batches: images and labels for the weights, then, where there is an architecture step, for it.
        """
        train = (batches[0], batches[1])
        if len(batches) == 2:
            if self.strategy.single_level and self.trains_architecture:
                return (self._joint_step(*train),)
            return (self._weight_step(*train),)
        valid = (batches[2], batches[3])
        if self.strategy.architecture_first:
            architecture = self._architecture_step(valid, train)
            return self._weight_step(*train), architecture
        return self._weight_step(*train), self._architecture_step(valid, train)

    def _weight_step(self, images: Tensor, labels: Tensor) -> Tensor:
        self.weight_optimiser.zero_grad(set_to_none=True)
        total = self._training_gradient(images, labels, self.strategy.weight_mixture())
        self._step_weights()
        return total

    def _joint_step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Move weights and architecture by the gradient of one training batch."""
        assert self.architecture_optimiser is not None
        self.weight_optimiser.zero_grad(set_to_none=True)
        self.architecture_optimiser.zero_grad(set_to_none=True)
        total = self._training_gradient(images, labels, self.strategy.mixture())
        self._step_weights()
        self._step_architecture()
        return total

    def _training_gradient(self, images: Tensor, labels: Tensor, mixture: Mixture) -> Tensor:
        """Add the gradient of a training batch to whatever requires one; return the loss."""
        total = torch.zeros((), device=self.device)
        parts = micro_batches(images, labels, self.micro_batches)
        for number, part in enumerate(parts, 1):
            logits = self.forward(part.images, mixture)
            loss = F.cross_entropy(logits, part.labels, label_smoothing=self.optim.label_smoothing)
            # The parts share the graph of the mixture, where it has one.
            more = number < len(parts) and self.strategy.single_level
            (part.share * loss).backward(retain_graph=more)  # type: ignore[no-untyped-call]
            total += part.share * loss.detach()
            self.train_meter.add(loss.detach(), logits.detach(), part.labels)
            del logits, loss
        return total

    def _step_weights(self) -> None:
        if self.optim.clip > 0:
            nn.utils.clip_grad_norm_(self.weights, self.optim.clip)
        self.weight_optimiser.step()

    def _step_architecture(self) -> None:
        """Step by the gradient that is there, and by the strategy's penalty: with it, or on its own."""
        assert self.architecture_optimiser is not None
        parameters = list(self.strategy.parameters().values())
        if not self.strategy.separate_penalty:
            self._add_penalty(parameters)
        if self.strategy.architecture_clip > 0:
            nn.utils.clip_grad_norm_(parameters, self.strategy.architecture_clip)
        self.architecture_optimiser.step()
        if self.strategy.separate_penalty:
            self.architecture_optimiser.zero_grad(set_to_none=True)
            if self._add_penalty(parameters):
                self.architecture_optimiser.step()

    def _add_penalty(self, parameters: list[nn.Parameter]) -> bool:
        penalty = self.strategy.penalty()
        if penalty is None:
            return False
        torch.autograd.backward(penalty, inputs=parameters)
        return True

    def _architecture_step(self, valid: Pictures, train: Pictures) -> Tensor:
        assert self.architecture_optimiser is not None
        self.architecture_optimiser.zero_grad(set_to_none=True)
        if self.strategy.architecture_gradient == "first":
            for weight in self.weights:
                weight.requires_grad_(False)
            parameters = list(self.strategy.parameters().values())
            total = self._gradient(valid, parameters, self.valid_meter)
            for weight in self.weights:
                weight.requires_grad_(True)
        else:
            total = self._unrolled_gradient(valid, train)
        self._step_architecture()
        return total

    def _gradient(self, batch: Pictures, inputs: Sequence[Tensor], meter: Meter | None = None) -> Tensor:
        """Add the gradient of a batch to some inputs, with running statistics frozen; return the loss."""
        # One mixture for all parts: a method that samples has drawn it once for the step.
        mixture = self.strategy.mixture()
        total = torch.zeros((), device=self.device)
        parts = micro_batches(*batch, self.micro_batches)
        for number, part in enumerate(parts, 1):
            with frozen_statistics(self.norms):
                logits = self.forward(part.images, mixture)
            loss = F.cross_entropy(logits, part.labels)
            more = number < len(parts)
            # Where no edge carries anything, nothing that is searched reaches the loss.
            if loss.requires_grad:
                torch.autograd.backward(part.share * loss, inputs=list(inputs), retain_graph=more)
            total += part.share * loss.detach()
            if meter is not None:
                meter.add(loss.detach(), logits.detach(), part.labels)
            # What the mixture's graph was kept for would hold this part's maps beside the next one's.
            del logits, loss
        return total

    def _unrolled_gradient(self, valid: Pictures, train: Pictures) -> Tensor:
        """Set the gradient of the architecture through one step of the weights; return the loss."""
        parameters = list(self.strategy.parameters().values())
        group = self.weight_optimiser.param_groups[0]
        states = [self.weight_optimiser.state.get(weight, {}) for weight in self.weights]
        velocity = [state["momentum_buffer"] for state in states if "momentum_buffer" in state]
        step = VirtualStep(group["lr"], group["momentum"], group["weight_decay"], velocity)
        total = torch.zeros((), device=self.device)

        if self.strategy.architecture_gradient == "exact":
            mixture = self.strategy.mixture()

            def loss_at(batch: Pictures, meter: Meter | None, weights: Mapping[str, Tensor]) -> Tensor:
                with frozen_statistics(self.norms):
                    logits = self.forward(batch[0], mixture, weights)
                loss = F.cross_entropy(logits, batch[1])
                if meter is not None:
                    total.add_(loss.detach())
                    meter.add(loss.detach(), logits.detach(), batch[1])
                return loss

            found = exact_gradient(
                partial(loss_at, train, None),
                partial(loss_at, valid, self.valid_meter),
                dict(self.supernet.named_parameters()),
                parameters,
                step,
            )
        else:

            def gradient(
                batch: Pictures, meter: Meter | None, inputs: Sequence[Tensor]
            ) -> list[Tensor | None]:
                for tensor in inputs:
                    tensor.grad = None
                loss = self._gradient(batch, inputs, meter)
                if meter is not None:
                    total.add_(loss)
                gradients = [tensor.grad for tensor in inputs]
                for tensor in inputs:
                    tensor.grad = None
                return gradients

            found = finite_gradient(
                partial(gradient, train, None),
                partial(gradient, valid, self.valid_meter),
                self.weights,
                parameters,
                step,
            )
        for parameter, value in zip(parameters, found, strict=True):
            parameter.grad = value
        return total

    def let_go(self) -> None:
        """Prune what the strategy has given up, here and in both optimisers."""
        self.gradient_steps.forget()
        self.supernet.prune(self.strategy.alive())
        self._collect()
        keep_only(self.weight_optimiser, self.weights)
        if self.architecture_optimiser is not None:
            keep_only(self.architecture_optimiser, self.strategy.parameters().values())
            if not self.strategy.parameters():
                self.architecture_optimiser = None

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the phase needs to go on."""
        architecture = self.architecture_optimiser
        return {
            "iteration": self.iteration,
            "strategy": self.strategy.state_dict(),
            "supernet": dict(self.supernet.state_dict()),
            "weight_optimiser": self.weight_optimiser.state_dict(),
            "architecture_optimiser": None if architecture is None else architecture.state_dict(),
            "meters": [self.train_meter.sums, self.valid_meter.sums],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state of :meth:`state_dict`; optimisers are made anew for what is still alive."""
        self.iteration = state["iteration"]
        if self.iteration > self.phase.iterations:
            raise ValueError(f"iteration {self.iteration} of {self.phase.iterations}")
        self.strategy.load_state_dict(state["strategy"])
        self.supernet.prune(self.strategy.alive())
        self._collect()
        self.supernet.load_tensors(state["supernet"])
        self.gradient_steps.forget()
        self._make_optimisers()
        load_optimiser(self.weight_optimiser, state["weight_optimiser"])
        if self.architecture_optimiser is not None:
            load_optimiser(self.architecture_optimiser, state["architecture_optimiser"])
        for meter, sums in zip((self.train_meter, self.valid_meter), state["meters"], strict=True):
            meter.reset(sums)


def check_second_order(
    gradient: ArchitectureGradient, engine: str, micro_batches: int, checkpoint_cells: bool
) -> None:
    """Check that a search can differentiate through a step of the weights as its strategy wants it.

    Raises:
        AutodasError: if not.
    """
    if gradient != "exact":
        return
    if engine != "reference":
        raise AutodasError(
            f"the exact second order needs gradients of gradients, which engine '{engine}' does not have: "
            "use --supernet.engine reference, or --strategy.unrolled finite"
        )
    if micro_batches > 1 or checkpoint_cells:
        option = "micro_batches" if micro_batches > 1 else "supernet.checkpoint"
        raise AutodasError(
            f"the exact second order needs whole batches kept for the backward pass, so {option} cannot be "
            "used: use --strategy.unrolled finite"
        )
