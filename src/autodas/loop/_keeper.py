"""What keeps a run while it goes on: log, progress, requests to stop, checkpoints, the clock."""

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
from autodas.loop._seeding import random_state
from autodas.loop.checkpoint import load_checkpoint, save_checkpoint
from autodas.progress import Progress
from autodas.reading import Shape
from autodas.runs.log import RunLog
from autodas.stopping import Stopped, StopRequest


class Keeper:
    """Keeps a run: a loop tells it what it has done, and it writes, shows, saves and stops.

    Args:
        keeping: what is kept, and where.
        command: what the checkpoints belong to, ``"search"`` or ``"train"``.
        device: where the run computes.
        shape: what the state in a checkpoint has to look like.

    Attributes:
        state: of the checkpoint that the run goes on from; ``None`` where it begins.
        clock: of the present epoch.
        log, progress, stop: while :meth:`running`.

    Raises:
        AutodasError: if there is no checkpoint to go on from, or it is damaged.
    """

    log: RunLog
    progress: Progress
    stop: StopRequest

    def __init__(self, keeping: Keeping, command: str, device: torch.device, shape: Shape) -> None:
        self.keeping, self.folder, self.command, self.device = keeping, keeping.folder, command, device
        self.clock = Clock()
        path = self.folder.checkpoint
        self.state: dict[str, Any] | None = load_checkpoint(path, command, shape) if keeping.resume else None

    @contextmanager
    def running(self, total: int, done: int) -> Iterator[None]:
        """Keep the log and show the progress while the run goes on, until it ends or has to stop.

        Args:
            total: iterations of the whole run.
            done: how many were done before.

        Raises:
            Interrupted: after Ctrl-C or a termination signal while something was evaluated; nothing is saved
                then.
        """
        lengths = None
        if self.state is not None:
            tell_what_changed(self.state.get("computed"), self.device)
            lengths = self.state["log"]
        tensorboard = self.keeping.tensorboard
        self.log = open_log(self.folder, lengths=lengths, tensorboard=tensorboard, step=done)
        with (
            Progress(total, done, self.keeping.quiet) as self.progress,
            StopRequest() as self.stop,
        ):
            try:
                yield
            except Stopped:
                raise Interrupted("stopped while evaluating") from None
            finally:
                self.log.close()

    @contextmanager
    def waiting(self, iteration: int, state: Callable[[], dict[str, Any]]) -> Iterator[None]:
        """Save the state and stop where a request to stop comes while batches are waited for.

        Args:
            iteration: how many are done.
            state: returns the state of the loop.

        Raises:
            Interrupted: then.
        """
        try:
            yield
        except Stopped:
            self.save(state())
            raise Interrupted(_stopped(iteration)) from None

    def after(
        self, iteration: int, state: Callable[[], dict[str, Any]], *, due: bool, ended: bool = False
    ) -> None:
        """Save the state after an iteration, where it is time or the run is to stop.

        Args:
            iteration: how many are done.
            state: returns the state of the loop.
            due: whether it is time for a checkpoint.
            ended: whether nothing is left to be stopped.

        Raises:
            Interrupted: if the run is to stop.
        """
        if due or self.stop.requested:
            self.save(state())
        if self.stop.requested and not ended:
            raise Interrupted(_stopped(iteration))

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint of the loop's state, with what all of them hold.

        Raises:
            AutodasError: if it cannot be written; the last one is kept.
        """
        if not self.keeping.writes:
            return
        shared = {
            "random": random_state(),
            "computed": what_computes(self.device),
            "log": self.log.lengths,
        }
        save_checkpoint(self.folder.checkpoint, self.command, {**state, **shared})

    def say(self, text: str) -> None:
        """Tell the user something in one line."""
        self.progress.line(text)


def _stopped(iteration: int) -> str:
    return f"stopped after iteration {iteration}"
