"""Iterations of gradient steps, one after the other, as both loops do them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from autodas.data import Batch
from autodas.loop._arguments import Compute
from autodas.loop._loss_watch import LossWatch
from autodas.loop._optimisers import set_learning_rate
from autodas.loop._recorded import RecordedIteration, recorder_for
from autodas.settings import OptimSettings, learning_rate


class Iterations:
    """Sets the learning rate, does the gradient steps of an iteration, recorded where that is possible, and
    watches their losses.

    Args:
        steps: from batches, images and targets in turn, to the loss of each step. It must not wait for the
            device, and change nothing on the host.
        names: of the steps, for messages.
        optim: settings of the weights' optimiser.
        total: iterations that the learning rate falls over.
        an_epoch: batches in one epoch.
        compute: where and how.
        say: is told, in one line, when recording fails.
    """

    def __init__(
        self,
        steps: Callable[..., tuple[Tensor, ...]],
        names: Sequence[str],
        optim: OptimSettings,
        total: int,
        an_epoch: int,
        compute: Compute,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.steps, self.names = steps, names
        self.optim, self.total, self.an_epoch = optim, total, an_epoch
        device = torch.device(compute.device)
        self.recorded = RecordedIteration(steps, recorder_for(device, compute.graphs), say)
        self.watch = LossWatch(device)
        self._constants: Hashable = None

    def forget(self) -> None:
        """Drop what was recorded: something that is not in lasting tensors has changed."""
        self.recorded.forget()

    def do(
        self, number: int, optimiser: torch.optim.Optimizer, batches: Sequence[Batch], constants: Hashable
    ) -> None:
        """Do one iteration.

        Args:
            number: how many have been done before.
            optimiser: of the weights.
            batches: one for each step.
            constants: the numbers of the host that it computes with: when they change, it is recorded anew;
                ``None`` where it is never recorded.
        """
        set_learning_rate(optimiser, learning_rate(self.optim, number, self.total, self.an_epoch))
        if constants != self._constants:
            self._constants = constants
            self.forget()
        steps = self.steps if constants is None else self.recorded
        losses = steps(*(tensor for batch in batches for tensor in (batch.images, batch.labels)))
        for name, loss in zip(self.names, losses, strict=False):
            self.watch.add(number + 1, name, loss)
