"""One phase of a search while it runs: a supernet, its strategy, two optimisers, one iteration at a time."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.data import Batch
from autodas.strategies.base import Phase, Strategy
from autodas.supernet import CellMixture, Supernet, frozen_statistics
from autodas.training import (
    LossWatch,
    Meter,
    OptimSettings,
    Precision,
    keep_only,
    learning_rate,
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
    ) -> None:
        self.phase, self.number, self.strategy, self.supernet = phase, number, strategy, supernet
        self.optim, self.iterations_an_epoch = optim, iterations_an_epoch
        self.device, self.precision = device, precision
        self.iteration = 0
        self.supernet.prune(strategy.alive())
        self._make_optimisers()
        self.new_meters()
        self.watch = LossWatch(device)

    def _make_optimisers(self) -> None:
        self.weight_optimiser = weight_optimiser(self.supernet.parameters(), self.optim)
        self.architecture_optimiser = self.strategy.optimiser()

    def new_meters(self) -> None:
        """Begin an epoch's sums."""
        self.train_meter, self.valid_meter = Meter(self.device), Meter(self.device)

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
        self.supernet.train()
        if valid is not None and self.strategy.architecture_first:
            self._architecture_step(valid)
        self._weight_step(train)
        if valid is not None and not self.strategy.architecture_first:
            self._architecture_step(valid)
        self.iteration += 1

    def _weight_step(self, batch: Batch) -> None:
        rate = learning_rate(self.optim, self.iteration, self.phase.iterations, self.iterations_an_epoch)
        set_learning_rate(self.weight_optimiser, rate)
        with torch.no_grad():
            mixture = {kind: cell.detach() for kind, cell in self.strategy.mixture().items()}
        logits = self.forward(batch.images, mixture)
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=self.optim.label_smoothing)
        self.watch.add(self.iteration + 1, "weight", loss)
        self.weight_optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.optim.clip > 0:
            nn.utils.clip_grad_norm_(self.supernet.parameters(), self.optim.clip)
        self.weight_optimiser.step()
        self.train_meter.add(loss.detach(), logits.detach(), batch.labels)

    def _architecture_step(self, batch: Batch) -> None:
        assert self.architecture_optimiser is not None
        parameters = list(self.strategy.parameters().values())
        weights = list(self.supernet.parameters())
        for weight in weights:
            weight.requires_grad_(False)
        with frozen_statistics(self.supernet):
            logits = self.forward(batch.images, self.strategy.mixture())
        loss = F.cross_entropy(logits, batch.labels)
        self.watch.add(self.iteration + 1, "architecture", loss)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for weight in weights:
            weight.requires_grad_(True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.architecture_optimiser.step()
        self.valid_meter.add(loss.detach(), logits.detach(), batch.labels)

    def let_go(self) -> None:
        """Prune what the strategy has given up, here and in both optimisers."""
        self.supernet.prune(self.strategy.alive())
        keep_only(self.weight_optimiser, self.supernet.parameters())
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
        self.supernet.load_tensors(state["supernet"])
        self._make_optimisers()
        self.weight_optimiser.load_state_dict(state["weight_optimiser"])
        if self.architecture_optimiser is not None:
            self.architecture_optimiser.load_state_dict(state["architecture_optimiser"])
        for meter, sums in zip((self.train_meter, self.valid_meter), state["meters"], strict=True):
            meter.sums = sums.to(self.device)
