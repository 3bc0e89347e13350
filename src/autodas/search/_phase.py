"""One phase of a search while it runs: a supernet, its strategy, two optimisers, one iteration at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.data import Batch
from autodas.strategies.base import Phase, Strategy
from autodas.supernet import CellMixture, Supernet, frozen_statistics, norms_of
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
        recorder = recorder_for(device, graphs) if strategy.steady else None
        self.gradient_steps = RecordedIteration(self._gradient_steps, recorder, say)

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
    def searches(self) -> bool:
        """Whether the next iteration has an architecture step."""
        return self.architecture_optimiser is not None and self.iteration >= self.phase.weights_only

    def forward(self, images: Tensor, mixture: dict[str, CellMixture]) -> Tensor:
        """Return logits in single precision, computed in the precision of the search."""
        reduced = self.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16) if reduced else nullcontext():
            return self.supernet(images, mixture).float()  # type: ignore[no-any-return]

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
        losses = self.gradient_steps(*(t for batch in batches for t in (batch.images, batch.labels)))
        for name, loss in zip(("weight", "architecture"), losses, strict=False):
            self.watch.add(self.iteration + 1, name, loss)
        self.iteration += 1

    def _gradient_steps(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """Do both steps and return their losses; nothing of the host changes, so that it can be recorded.

        Args:
            batches: images and labels for the weights, then, where there is an architecture step, for it.
        """
        train, valid = batches[:2], batches[2:]
        if not valid:
            return (self._weight_step(*train),)
        if self.strategy.architecture_first:
            architecture = self._architecture_step(*valid)
            return self._weight_step(*train), architecture
        return self._weight_step(*train), self._architecture_step(*valid)

    def _weight_step(self, images: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            mixture = {kind: cell.detach() for kind, cell in self.strategy.mixture().items()}
        self.weight_optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for part in micro_batches(images, labels, self.micro_batches):
            logits = self.forward(part.images, mixture)
            loss = F.cross_entropy(logits, part.labels, label_smoothing=self.optim.label_smoothing)
            (part.share * loss).backward()  # type: ignore[no-untyped-call]
            total += part.share * loss.detach()
            self.train_meter.add(loss.detach(), logits.detach(), part.labels)
        if self.optim.clip > 0:
            nn.utils.clip_grad_norm_(self.weights, self.optim.clip)
        self.weight_optimiser.step()
        return total

    def _architecture_step(self, images: Tensor, labels: Tensor) -> Tensor:
        assert self.architecture_optimiser is not None
        parameters = list(self.strategy.parameters().values())
        for weight in self.weights:
            weight.requires_grad_(False)
        self.architecture_optimiser.zero_grad(set_to_none=True)
        # One mixture for all parts: a method that samples has drawn it once for the step.
        mixture = self.strategy.mixture()
        total = torch.zeros((), device=self.device)
        parts = micro_batches(images, labels, self.micro_batches)
        for number, part in enumerate(parts, 1):
            with frozen_statistics(self.norms):
                logits = self.forward(part.images, mixture)
            loss = F.cross_entropy(logits, part.labels)
            more = number < len(parts)
            torch.autograd.backward(part.share * loss, inputs=parameters, retain_graph=more)
            total += part.share * loss.detach()
            self.valid_meter.add(loss.detach(), logits.detach(), part.labels)
            # What the mixture's graph was kept for would hold this part's maps beside the next one's.
            del logits, loss
        for weight in self.weights:
            weight.requires_grad_(True)
        self.architecture_optimiser.step()
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
