"""A running phase of a search: a supernet, its strategy, two optimisers, one iteration at a time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.loop import (
    Compute,
    Iterations,
    Losses,
    Pieces,
    add_gradient,
    clipped_step,
    in_precision,
    keep_only,
    load_optimiser,
    unreduced,
    weight_optimiser,
)
from autodas.loop.tasks import Meter, Task
from autodas.search._unrolled import VirtualStep, exact_gradient, finite_gradient
from autodas.settings import OptimSettings, SupernetSettings
from autodas.strategies.base import ArchitectureGradient, Phase, Strategy
from autodas.supernet import Mixture, Supernet, every_parameter, frozen_statistics, norms_of


class Samples(NamedTuple):
    """A batch for a gradient step.

    Attributes:
        images: images or clips.
        targets: target of each.
        share: fraction that they are of the batch that all processes share, see
            :class:`~autodas.data.Batch`.
    """

    images: Tensor
    targets: Tensor
    share: float = 1.0


class PhaseRun:
    """State of a running phase.

    Args:
        phase: the phase.
        number: its number.
        strategy: the method; it has started the phase.
        supernet: a new supernet, on the device.
        task: task of the network.
        optim: settings of the weights' optimiser.
        iterations_an_epoch: number of batches in one epoch.
        compute: where and how to compute.
        say: function that reports a failed recording, in one line.
    """

    def __init__(
        self,
        phase: Phase,
        number: int,
        strategy: Strategy,
        supernet: Supernet,
        task: Task[Any],
        optim: OptimSettings,
        iterations_an_epoch: int,
        compute: Compute,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.phase, self.number, self.strategy, self.supernet = phase, number, strategy, supernet
        self.task, self.optim, self.compute = task, optim, compute
        self.device, self.group = torch.device(compute.device), compute.group
        self.iteration = 0
        self.supernet.prune(strategy.alive())
        self._collect()
        self._make_optimisers()
        self.train_meter, self.valid_meter = task.meter(self.device), task.meter(self.device)
        self.steps = Iterations(
            self._gradient_steps,
            ("weight", "architecture"),
            optim,
            phase.iterations,
            iterations_an_epoch,
            compute,
            say,
            self._drop_gradients,
        )
        self._changes = sorted({phase.weights_only, phase.iterations, *_decision_times(strategy, phase)})

    def _collect(self) -> None:
        # A supernet has thousands of modules: these lists are rebuilt when it changes, not in every step.
        self.weights = every_parameter(self.supernet)
        self.norms = norms_of(self.supernet)

    def _make_optimisers(self) -> None:
        self.weight_optimiser = weight_optimiser(self.weights, self.optim)
        self.architecture_optimiser = self.strategy.optimiser()

    def _drop_gradients(self) -> None:
        for optimiser in (self.weight_optimiser, self.architecture_optimiser):
            if optimiser is not None:
                optimiser.zero_grad(set_to_none=True)

    def end(self) -> None:
        """Release the memory of recordings and gradients; no other iteration can follow."""
        self.steps.forget()
        self._drop_gradients()
        # It refers back to this object: both would be kept until Python looks for cycles.
        del self.steps

    @property
    def left(self) -> float:
        """Number of iterations until the next one that is expected to differ from the present ones."""
        place = bisect_right(self._changes, self.iteration)
        return self._changes[place] - self.iteration if place < len(self._changes) else math.inf

    def new_meters(self) -> None:
        """Reset the sums of an epoch."""
        self.train_meter.reset()
        self.valid_meter.reset()

    @property
    def trains_architecture(self) -> bool:
        """Whether the next iteration updates the architecture."""
        return self.architecture_optimiser is not None and self.iteration >= self.phase.weights_only

    @property
    def searches(self) -> bool:
        """Whether it does so in a separate step, on a validation batch."""
        return self.trains_architecture and not self.strategy.single_level

    def forward(
        self, images: Tensor, mixture: Mixture, weights: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return outputs in single precision, computed in the precision of the search.

        Args:
            images: a batch of images or clips.
            mixture: mixture of the candidates.
            weights: weights by name, used instead of the supernet's own.
        """
        with in_precision(self.compute.precision, self.device):
            if weights is None:
                outputs: Tensor = self.supernet(images, mixture)
            else:
                outputs = functional_call(self.supernet, dict(weights), (images, mixture))
        return unreduced(outputs)

    def step(self, train: Batch, valid: Batch | None) -> None:
        """Run one iteration: both gradient steps, in the strategy's order.

        Args:
            train: batch for the weights.
            valid: batch for the architecture; ``None`` if there is no architecture step.
        """
        if not self.supernet.training:
            self.supernet.train()
        constants = self.strategy.constants()
        self.steps.do(
            self.iteration,
            self.weight_optimiser,
            [train] if valid is None else [train, valid],
            None if constants is None else (constants, self.trains_architecture),
            self.left,
        )
        self.iteration += 1

    def _gradient_steps(self, *batches: Tensor, shares: Sequence[float]) -> Pieces[tuple[Tensor, ...]]:
        """Run both steps and return their losses. No host state changes, so that this can be recorded.

        Args:
            batches: images and labels for the weights, followed by those for the architecture step if there
                is one.
            shares: share of each batch.
        """
        train = Samples(batches[0], batches[1], shares[0])
        if len(shares) == 1:
            if self.strategy.single_level and self.trains_architecture:
                return ((yield from self._joint_step(train)),)
            return ((yield from self._weight_step(train)),)
        valid = Samples(batches[2], batches[3], shares[1])
        if self.strategy.architecture_first:
            architecture = yield from self._architecture_step(valid, train)
            return (yield from self._weight_step(train)), architecture
        weights = yield from self._weight_step(train)
        return weights, (yield from self._architecture_step(valid, train))

    def _weight_step(self, train: Samples) -> Pieces[Tensor]:
        self.weight_optimiser.zero_grad(set_to_none=True)
        loss = self._training_gradient(train, self.strategy.weight_mixture())
        total = yield from self.group.sum_gradients(self.weights, loss, train.share)
        clipped_step(self.weight_optimiser, self.optim.clip)
        return total

    def _joint_step(self, train: Samples) -> Pieces[Tensor]:
        """Update weights and architecture by the gradient of one training batch."""
        assert self.architecture_optimiser is not None
        self.weight_optimiser.zero_grad(set_to_none=True)
        self.architecture_optimiser.zero_grad(set_to_none=True)
        loss = self._training_gradient(train, self.strategy.mixture())
        both = [*self.weights, *self.strategy.parameters().values()]
        total = yield from self.group.sum_gradients(both, loss, train.share)
        clipped_step(self.weight_optimiser, self.optim.clip)
        self._step_architecture()
        return total

    def _training_gradient(self, train: Samples, mixture: Mixture) -> Tensor:
        """Add the gradient of a training batch to all tensors that require one; return the loss."""

        def losses(images: Tensor, labels: Tensor) -> Losses:
            outputs = self.forward(images, mixture)
            loss = self.task.training_loss(outputs, labels)
            return Losses(loss, loss, outputs)

        return add_gradient(
            losses,
            train.images,
            train.targets,
            self.compute.micro_batches,
            meter=self.train_meter if train.share > 0 else None,
            # The mixture has its own computation graph if both are trained at once.
            keep_graph=self.strategy.single_level,
        )

    def _step_architecture(self) -> None:
        """Step by the current gradient, and by the strategy's penalty: together with it, or separately."""
        assert self.architecture_optimiser is not None
        parameters = list(self.strategy.parameters().values())
        if not self.strategy.separate_penalty:
            self._add_penalty(parameters)
        clipped_step(self.architecture_optimiser, self.strategy.architecture_clip)
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

    def _architecture_step(self, valid: Samples, train: Samples) -> Pieces[Tensor]:
        assert self.architecture_optimiser is not None
        self.architecture_optimiser.zero_grad(set_to_none=True)
        if self.strategy.architecture_gradient == "first":
            parameters = list(self.strategy.parameters().values())
            with _without_gradient(self.weights):
                loss = self._gradient(valid, parameters, self.valid_meter)
            total = yield from self.group.sum_gradients(parameters, loss, valid.share)
        else:
            total = self._unrolled_gradient(valid, train)
        self._step_architecture()
        return total

    def _gradient(
        self, batch: Samples, inputs: Sequence[Tensor], meter: Meter | None = None, smoothed: bool = False
    ) -> Tensor:
        """Add the gradient of a batch to the inputs, with frozen running statistics; return its loss."""
        # One mixture for all parts: a method that samples draws once for each step.
        losses = partial(self._frozen_losses, mixture=self.strategy.mixture(), smoothed=smoothed)
        return add_gradient(
            losses,
            batch.images,
            batch.targets,
            self.compute.micro_batches,
            meter=meter if batch.share > 0 else None,
            inputs=inputs,
            keep_graph=True,
        )

    def _frozen_losses(
        self,
        images: Tensor,
        labels: Tensor,
        mixture: Mixture,
        weights: Mapping[str, Tensor] | None = None,
        smoothed: bool = False,
    ) -> Losses:
        """Return the losses of a batch; ``smoothed``: the loss by which the weights are trained."""
        with frozen_statistics(self.norms):
            outputs = self.forward(images, mixture, weights)
        loss = (self.task.training_loss if smoothed else self.task.loss)(outputs, labels)
        return Losses(loss, loss, outputs)

    @torch.no_grad()
    def loss_of(self, mixture: Mixture, batches: Iterable[Batch]) -> float:
        """Return the mean loss of a mixture; normalised by batch statistics, of which none is recorded.

        Args:
            mixture: mixture of the candidates, without noise.
            batches: samples without augmentation.
        """
        self.supernet.train()
        total, count = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for batch in batches:
            if len(batch.labels) == 1:  # no batch statistics, as in training; only the last can be one
                continue
            losses = self._frozen_losses(batch.images, batch.labels, mixture)
            total += losses.own.double() * len(batch.labels)
            count += len(batch.labels)
        return float(total) / count

    def _unrolled_gradient(self, valid: Samples, train: Samples) -> Tensor:
        """Set the gradient of the architecture through one step of the weights; return the loss."""
        parameters = list(self.strategy.parameters().values())
        group = self.weight_optimiser.param_groups[0]
        states = [self.weight_optimiser.state.get(weight, {}) for weight in self.weights]
        velocity = [state["momentum_buffer"] for state in states if "momentum_buffer" in state]
        step = VirtualStep(group["lr"], group["momentum"], group["weight_decay"], velocity)
        total = torch.zeros((), device=self.device)

        if self.strategy.architecture_gradient == "exact":
            mixture = self.strategy.mixture()

            def loss_at(batch: Samples, meter: Meter | None, weights: Mapping[str, Tensor]) -> Tensor:
                # The virtual step is one of the weights, by their loss.
                losses = self._frozen_losses(
                    batch.images, batch.targets, mixture, weights, smoothed=batch is train
                )
                if meter is not None:
                    total.add_(losses.own.detach())
                    meter.add(losses.own.detach(), losses.outputs.detach(), batch.targets)
                return losses.total

            gradients = exact_gradient(
                partial(loss_at, train, None),
                partial(loss_at, valid, self.valid_meter),
                dict(self.supernet.named_parameters()),
                parameters,
                step,
            )
        else:

            def gradient(
                batch: Samples, meter: Meter | None, inputs: Sequence[Tensor]
            ) -> list[Tensor | None]:
                for tensor in inputs:
                    tensor.grad = None
                loss = self._gradient(batch, inputs, meter, smoothed=batch is train)
                if meter is not None:
                    total.add_(loss)
                gradients = [tensor.grad for tensor in inputs]
                for tensor in inputs:
                    tensor.grad = None
                return gradients

            gradients = finite_gradient(
                partial(gradient, train, None),
                partial(gradient, valid, self.valid_meter),
                self.weights,
                parameters,
                step,
            )
        for parameter, value in zip(parameters, gradients, strict=True):
            parameter.grad = value
        return total

    def let_go(self) -> None:
        """Prune what the strategy has discarded, from the supernet and both optimisers."""
        self.steps.forget()
        self.supernet.prune(self.strategy.alive())
        self._collect()
        keep_only(self.weight_optimiser, self.weights)
        if self.architecture_optimiser is not None:
            keep_only(self.architecture_optimiser, self.strategy.parameters().values())
            if not self.strategy.parameters():
                self.architecture_optimiser = None

    def average_statistics(self) -> None:
        """Set the running statistics of all processes to their means.

        Nothing reads them while training, and they follow the batches linearly: this equals averaging in
        every iteration.
        """
        self.group.mean_([buffer for buffer in self.supernet.buffers() if buffer.is_floating_point()])

    @property
    def meters(self) -> tuple[Meter, Meter]:
        """Metrics of both steps in the current epoch."""
        return self.train_meter, self.valid_meter

    def collect_meters(self) -> None:
        """Add up the sums of all processes in the first one; the others begin again at zero."""
        for meter in self.meters:
            self.group.collect_(meter.sums)

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume the phase."""
        architecture = self.architecture_optimiser
        return {
            "iteration": self.iteration,
            "strategy": self.strategy.state_dict(),
            "supernet": dict(self.supernet.state_dict()),
            "weight_optimiser": self.weight_optimiser.state_dict(),
            "architecture_optimiser": None if architecture is None else architecture.state_dict(),
            "meters": [meter.sums for meter in self.meters],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`; optimisers are rebuilt for the parameters still alive."""
        self.iteration = state["iteration"]
        if self.iteration > self.phase.iterations:
            raise ValueError(f"iteration {self.iteration} of {self.phase.iterations}")
        self.strategy.load_state_dict(state["strategy"])
        self.supernet.prune(self.strategy.alive())
        self._collect()
        self.supernet.load_tensors(state["supernet"])
        self.steps.forget()
        self._make_optimisers()
        load_optimiser(self.weight_optimiser, state["weight_optimiser"])
        if self.architecture_optimiser is not None:
            load_optimiser(self.architecture_optimiser, state["architecture_optimiser"])
        for meter, sums in zip(self.meters, state["meters"], strict=True):
            meter.reset(sums)


def _decision_times(strategy: Strategy, phase: Phase) -> Sequence[int]:
    """Return the iterations of a phase after which something will be decided; empty if that is not known."""
    # Phases of one length follow one schedule, such as those of repeated searches.
    same = strategy.decision_phase().iterations == phase.iterations
    return strategy.decision_times() if same else ()


@contextmanager
def _without_gradient(weights: Sequence[Tensor]) -> Iterator[None]:
    """Compute no gradients of weights, also if what is computed fails."""
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def check_second_order(gradient: ArchitectureGradient, supernet: SupernetSettings, compute: Compute) -> None:
    """Check that the strategy's gradient through a step of the weights can be computed.

    Raises:
        AutodasError: if it cannot.
    """
    if gradient != "first" and compute.group.size > 1:
        raise AutodasError(
            f"the second order cannot be computed by {compute.group.size} processes together: use "
            "`strategy.order=1`, or start a single process"
        )
    if gradient != "exact":
        return
    if supernet.engine != "reference":
        raise AutodasError(
            f"the exact second order needs gradients of gradients, which engine '{supernet.engine}' does not "
            "support: use `supernet.engine=reference`, or `strategy.unrolled=finite`"
        )
    if compute.micro_batches > 1 or supernet.checkpoint:
        option = "micro_batches" if compute.micro_batches > 1 else "supernet.checkpoint"
        raise AutodasError(
            f"the exact second order requires whole batches kept for the backward pass, so {option} "
            "cannot be used: use `strategy.unrolled=finite`"
        )
