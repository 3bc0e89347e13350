"""Record of a running loop: log, progress bar, stop requests, checkpoints and timing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from autodas.errors import Interrupted
from autodas.loop._arguments import Keeping
from autodas.loop._board import open_log
from autodas.loop._clock import Clock
from autodas.loop._computed import tell_what_changed, what_computes
from autodas.loop._group import ALONE, Group
from autodas.loop._own_state import OTHERS, OWN
from autodas.loop._seeding import random_state, random_state_of
from autodas.loop.checkpoint import load_checkpoint, save_checkpoint
from autodas.progress import Progress
from autodas.reading import Shape
from autodas.runs.log import NoLog, RunLog
from autodas.stopping import Stopped, StopRequest


class Keeper:
    """Record of a running loop: log, progress bar, stop requests, checkpoints and timing.

    Args:
        keeping: what is kept, and where.
        command: command that the checkpoints belong to, ``"search"`` or ``"train"``.
        device: device on which the run computes.
        shape: expected shape of the state in a checkpoint.
        group: processes that compute the run. The first one writes; all call each method, and stop together.

    Attributes:
        state: state of the checkpoint from which the run is resumed, with the random numbers of this process;
            ``None`` for a new run.
        clock: clock of the current epoch.
        log, progress, stop: available within :meth:`running`.

    Raises:
        AutodasError: if the checkpoint to resume from is missing or damaged.
    """

    log: RunLog
    progress: Progress
    stop: StopRequest

    def __init__(
        self,
        keeping: Keeping,
        command: str,
        device: torch.device,
        shape: Shape,
        group: Group = ALONE,
    ) -> None:
        self.keeping, self.folder, self.command, self.device = keeping, keeping.folder, command, device
        self.group, self.clock = group, Clock()
        path = self.folder.checkpoint
        self.state: dict[str, Any] | None = None
        if keeping.resume:
            self.state = group.from_first(lambda: load_checkpoint(path, command, shape))
            self.state["random"] = random_state_of(self.state, group.rank)

    @contextmanager
    def running(self, total: int, done: int) -> Iterator[None]:
        """Open the log and show the progress bar until the run ends or is stopped.

        Args:
            total: number of iterations of the whole run.
            done: number of iterations done before.

        Raises:
            Interrupted: on Ctrl-C or a termination signal during an evaluation; nothing is saved in that
                case.
        """
        lengths = None
        if self.state is not None:
            lengths = self.state["log"]
            if self.keeping.writes:
                tell_what_changed(self.state.get("computed"), self.device, self.group.size)
        tensorboard = self.keeping.tensorboard
        self.log = (
            open_log(self.folder, lengths=lengths, tensorboard=tensorboard, step=done)
            if self.keeping.writes
            else NoLog()
        )
        with (
            Progress(total, done, self.keeping.quiet) as self.progress,
            StopRequest(alone=self.group.size == 1) as self.stop,
        ):
            try:
                yield
            except Stopped:
                raise Interrupted("stopped while evaluating") from None
            finally:
                self.log.close()

    @contextmanager
    def waiting(self, iteration: int, state: Callable[[], dict[str, Any]]) -> Iterator[None]:
        """Count the time of waiting for batches; save the state and stop if a stop is requested meanwhile.

        Args:
            iteration: number of iterations done.
            state: function that returns the state of the loop.

        Raises:
            Interrupted: if a stop is requested.
        """
        try:
            with self.clock.waiting():
                yield
        except Stopped:
            self.save(state())
            raise Interrupted(_stopped(iteration)) from None

    def after(
        self, iteration: int, state: Callable[[], dict[str, Any]], *, due: bool, ended: bool = False
    ) -> None:
        """Save the state after an iteration if a checkpoint is due or a stop is requested.

        Args:
            iteration: number of iterations done.
            state: function that returns the state of the loop.
            due: whether a checkpoint is due.
            ended: whether this was the last iteration, so that there is nothing to stop.

        Raises:
            Interrupted: if a stop is requested.
        """
        stop = self.group.any(self.stop.requested)
        if due or stop:
            self.save(state())
        if stop and not ended:
            raise Interrupted(_stopped(iteration))

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint of the loop's state, with the entries shared by all checkpoints.

        Args:
            state: the state, with the own state of this process at :data:`~autodas.loop.OWN`.

        Raises:
            AutodasError: if it cannot be written; the previous one is kept.
        """
        own = self.group.gather({"random": random_state(self.device), **state.pop(OWN, {})})
        if not self.keeping.writes:
            return
        shared: dict[str, Any] = {
            "random": own[0]["random"],
            **({OTHERS: own[1:]} if len(own) > 1 else {}),
            "computed": what_computes(self.device) | {"processes": str(self.group.size)},
            "log": self.log.lengths,
        }
        save_checkpoint(self.folder.checkpoint, self.command, {**state, **shared})

    def say(self, text: str) -> None:
        """Print a message to the user, in one line."""
        self.progress.line(text)


def _stopped(iteration: int) -> str:
    return f"stopped after iteration {iteration}"
