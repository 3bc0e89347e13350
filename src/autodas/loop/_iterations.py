"""Iterations of gradient steps, as done by both loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from autodas.data import Batch
from autodas.loop._arguments import Compute
from autodas.loop._group import Pieces, finished
from autodas.loop._loss_watch import LossWatch
from autodas.loop._optimisers import set_learning_rate
from autodas.loop._recorded import RecordedIteration, recorder_for
from autodas.settings import StepSettings, learning_rate


class Iterations:
    """Iterations of a loop: learning rate, gradient steps (recorded if possible), watch over their losses.

    Args:
        steps: generator function from batches (images and targets in turn) to the loss of each step, which
            pauses for exchanges between processes. It is also given ``shares``, this process's share of each
            batch. It must not synchronise with the device, nor change anything on the host.
        names: names of the steps, for messages.
        optim: settings of the weights' optimiser.
        total: number of iterations of the learning rate schedule.
        an_epoch: number of batches in one epoch.
        compute: where and how to compute.
        say: function that reports a failed recording, in one line.
        drop_gradients: function that drops the gradients left by an iteration.
    """

    def __init__(
        self,
        steps: Callable[..., Pieces[tuple[Tensor, ...]]],
        names: Sequence[str],
        optim: StepSettings,
        total: int,
        an_epoch: int,
        compute: Compute,
        say: Callable[[str], None] = lambda text: None,
        drop_gradients: Callable[[], None] = lambda: None,
    ) -> None:
        self.steps, self.names = steps, names
        self.optim, self.total, self.an_epoch = optim, total, an_epoch
        device = torch.device(compute.device)
        self.recorded = RecordedIteration(steps, recorder_for(device, compute.graphs), say, drop_gradients)
        self.watch = LossWatch(device)
        self._constants: Hashable = None

    def forget(self) -> None:
        """Drop the recording: something outside the persistent tensors has changed."""
        self.recorded.forget()

    def do(
        self,
        number: int,
        optimiser: torch.optim.Optimizer,
        batches: Sequence[Batch],
        constants: Hashable,
        left: float = math.inf,
    ) -> None:
        """Run one iteration.

        Args:
            number: number of iterations done before.
            optimiser: optimiser of the weights.
            batches: one batch for each step.
            constants: host-side numbers that the iteration depends on: a change triggers a new recording.
                ``None`` if it must not be recorded.
            left: number of iterations, with this one, until iterations are expected to change.
        """
        set_learning_rate(optimiser, learning_rate(self.optim, number, self.total, self.an_epoch))
        if constants != self._constants:
            self._constants = constants
            self.forget()
        tensors = [tensor for batch in batches for tensor in (batch.images, batch.labels)]
        shares = tuple(batch.share for batch in batches)
        if constants is None:
            losses = finished(self.steps(*tensors, shares=shares))
        else:
            losses = self.recorded(*tensors, left=left, shares=shares)
        for name, loss in zip(self.names, losses, strict=False):
            self.watch.add(number + 1, name, loss)
