"""Training of a discrete network from scratch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.data import Batch, Loader
from autodas.errors import AutodasError, Interrupted
from autodas.networks import HandcraftedNetwork, Network
from autodas.progress import Progress, duration
from autodas.reading import MAPPING, Fields, Number, Values, Whole
from autodas.runs import events
from autodas.runs.folder import RunFolder
from autodas.settings import Graphs, OptimSettings, Precision, learning_rate
from autodas.stopping import Stopped, StopRequest
from autodas.training._board import open_log
from autodas.training._computed import tell_what_changed, what_computes
from autodas.training._evaluate import Evaluation, evaluate
from autodas.training._gradient_check import check_reduced_gradients
from autodas.training._metrics import LossWatch, Meter, shown
from autodas.training._micro_batches import check_micro_batches, micro_batches
from autodas.training._optimisers import load_optimiser, set_learning_rate, weight_optimiser
from autodas.training._recorded import RecordedIteration, recorder_for
from autodas.training._seeding import checked_random_state, random_state, restore_random_state
from autodas.training.checkpoint import SHARED, TENSOR, explain_damage, load_checkpoint, save_checkpoint

_STATE = Fields(
    {
        "iteration": Whole(),
        "meter": TENSOR,
        "network": Values(TENSOR),
        "optimiser": MAPPING,
        "best": MAPPING,
        **SHARED,
    }
)
_BEST = Fields({"epoch": Whole(), "top1": Number(), "weights": Values(TENSOR)})


@dataclass(frozen=True)
class Regularisation:
    """What keeps a network from learning its training pictures by heart, beside augmentation.

    Args:
        drop_path: rate at the end of training; it rises linearly from 0, epoch by epoch (DARTS).
        auxiliary_weight: weight of the auxiliary head's loss, where the network has such a head.
    """

    drop_path: float = 0.0
    auxiliary_weight: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.drop_path < 1:
            raise AutodasError(f"drop_path={self.drop_path} must lie in [0, 1)")
        if self.auxiliary_weight < 0:
            raise AutodasError(f"auxiliary_weight={self.auxiliary_weight} must be at least 0")


class Fit:
    """Trains a network. ``Fit(...).run()`` does all of it, and leaves the last epoch's weights.

    With validation pictures the weights of the best epoch on them are kept instead.

    Args:
        network: on its device.
        train: batches of training pictures.
        folder: the run folder; it must have been created.
        epochs: length.
        optim: of the weights.
        regularisation: drop path and auxiliary head.
        validation: pictures held out of training, evaluated after every epoch; ``None`` for none.
        watched: pictures whose accuracy is logged every ``watch_every`` epochs, and nothing else: the
            test set, where the user asks for test curves; ``None`` for none.
        watch_every: see ``watched``.
        micro_batches: parts that each batch is computed in, one after the other: less memory, the same
            gradient but for batch normalisation, whose statistics are those of a part.
        precision: of forward and backward passes; evaluations are in single precision.
        graphs: ``"auto"`` records iterations as CUDA graphs on CUDA devices.
        checkpoint_every: epochs between checkpoints.
        resume: whether to go on from the folder's checkpoint.
        tensorboard: whether to write TensorBoard files.
        quiet: whether to print nothing.
    """

    def __init__(
        self,
        network: Network | HandcraftedNetwork,
        train: Loader,
        folder: RunFolder,
        *,
        epochs: int,
        optim: OptimSettings,
        regularisation: Regularisation | None = None,
        validation: Loader | None = None,
        watched: Loader | None = None,
        watch_every: int = 0,
        micro_batches: int = 1,
        precision: Precision = "fp32",
        graphs: Graphs = "auto",
        checkpoint_every: int = 1,
        resume: bool = False,
        tensorboard: bool = True,
        quiet: bool = False,
    ) -> None:
        if epochs < 1:
            raise AutodasError(f"epochs={epochs} must be at least 1")
        if micro_batches != 1:
            check_micro_batches(micro_batches, train.batch_size)
        self.network, self.train, self.folder, self.epochs = network, train, folder, epochs
        self.micro_batches = micro_batches
        self.optim, self.regularisation = optim, regularisation or Regularisation()
        self.validation, self.watched, self.watch_every = validation, watched, watch_every
        self.precision, self.checkpoint_every, self.quiet = precision, max(1, checkpoint_every), quiet
        self.device = next(network.parameters()).device
        self.iterations = epochs * len(train)
        self.optimiser = weight_optimiser(network.parameters(), optim)
        if precision == "bf16" and self.device.type == "cpu" and not resume:
            check_reduced_gradients(network, train.blank(2))
        self.watch = LossWatch(self.device)
        self.meter = Meter(self.device)
        self.gradient_step = RecordedIteration(
            self._gradient_step, recorder_for(self.device, graphs), self._say
        )
        self.drop_path: float | None = None
        self.iteration = 0
        self.random: dict[str, Any] | None = None
        self.best: dict[str, Any] = {}
        self.tensorboard = tensorboard
        self.lengths: dict[str, Any] | None = None
        if resume:
            state = load_checkpoint(folder.checkpoint, "train", _STATE)
            with explain_damage(folder.checkpoint):
                self._load(state)

    def run(self, start: dict[str, Any] | None = None, notes: Sequence[str] = ()) -> None:
        """Train.

        Args:
            start: fields of the log's first event; its ``notes`` have been told already.
            notes: what the user is told at the start.

        Raises:
            AutodasError: if the loss is no longer a number, or the disk is full; the last good
                checkpoint is kept.
            Interrupted: after Ctrl-C or a termination signal; the state has been saved.
        """
        done = self.iteration
        self.log = open_log(self.folder, lengths=self.lengths, tensorboard=self.tensorboard, step=done)
        stream = self.train.stream(done)
        if self.random is not None:
            restore_random_state(self.random)
        with Progress(self.iterations, done, self.quiet) as self.progress, StopRequest() as self.stop:
            try:
                if self.lengths is None:
                    facts = start or {}
                    said = [*facts.get("notes", ()), *notes]
                    self.log.event(events.Start.from_dict({"command": "train", **facts, "notes": said}))
                    for note in notes:
                        self.progress.line(note)
                self.epoch_start = time.monotonic()
                while self.iteration < self.iterations:
                    try:
                        batch = next(stream)
                    except Stopped:
                        self._save()
                        raise self._interruption() from None
                    self.step(batch)
                    self._after_step()
            except Stopped:
                raise Interrupted(
                    f"stopped while evaluating; continue with --resume {self.folder.path}"
                ) from None
            finally:
                self.log.close()
        if self.best:
            self.network.load_state_dict(self.best["weights"])

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.iteration // len(self.train)

    def _after_step(self) -> None:
        ended = self.iteration % len(self.train) == 0
        if ended:
            self.watch.check()
            self._end_epoch()
        elif self.progress.due:
            pace = (time.monotonic() - self.epoch_start) / (self.iteration % len(self.train))
            left = duration(pace * (self.iterations - self.iteration))
            self.progress.update(self.iteration, f"{shown(self.meter.result())}, {left} to go")
        due = ended and (self.epoch % self.checkpoint_every == 0 or self.epoch == self.epochs)
        if due or self.stop.requested:
            self._save()
        if self.stop.requested and self.iteration < self.iterations:
            raise self._interruption()

    def _save(self) -> None:
        self.watch.check()
        save_checkpoint(self.folder.checkpoint, "train", self._state())

    def _interruption(self) -> Interrupted:
        return Interrupted(
            f"stopped after iteration {self.iteration}; continue with --resume {self.folder.path}"
        )

    def step(self, batch: Batch) -> None:
        """Do the next iteration."""
        self.network.train()
        drop_path = self.regularisation.drop_path * self.epoch / self.epochs
        if drop_path != self.drop_path:
            self.gradient_step.forget()
            self.network.set_drop_path(drop_path)
            self.drop_path = drop_path
        rate = learning_rate(self.optim, self.iteration, self.iterations, len(self.train))
        set_learning_rate(self.optimiser, rate)
        (total,) = self.gradient_step(batch.images, batch.labels)
        self.watch.add(self.iteration + 1, "training", total)
        self.iteration += 1

    def _gradient_step(self, images: Tensor, labels: Tensor) -> tuple[Tensor]:
        """Do one step and return its loss; nothing of the host changes, so that it can be recorded."""
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for part in micro_batches(images, labels, self.micro_batches):
            logits, auxiliary = self._forward(part.images)
            loss = whole = self._loss(logits, part.labels)
            if auxiliary is not None:
                whole = whole + self.regularisation.auxiliary_weight * self._loss(auxiliary, part.labels)
            (part.share * whole).backward()  # type: ignore[no-untyped-call]
            total += part.share * whole.detach()
            self.meter.add(loss.detach(), logits.detach(), part.labels)
        if self.optim.clip > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.optim.clip)
        self.optimiser.step()
        return (total,)

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        reduced = self.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16) if reduced else nullcontext():
            logits, auxiliary = self.network.forward_with_auxiliary(images)
        return logits.float(), None if auxiliary is None else auxiliary.float()

    def _say(self, text: str) -> None:
        self.progress.line(text)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.optim.label_smoothing)

    def _end_epoch(self) -> None:
        metrics: dict[str, float | None] = {**self.meter.result("train_")}
        pictures = float(self.meter.sums[3])
        self.meter.reset()
        seconds = time.monotonic() - self.epoch_start
        if self.validation is not None:
            metrics |= self._evaluated(self.validation, "validation_")
            if not self.best or metrics["validation_top1"] > self.best["top1"]:
                weights = {name: t.detach().clone() for name, t in self.network.state_dict().items()}
                self.best = {"epoch": self.epoch, "top1": metrics["validation_top1"], "weights": weights}
        if self.watched is not None:
            due = self.epoch % self.watch_every == 0
            found = self._evaluated(self.watched, "test_") if due else {}
            metrics |= {f"test_{name}": found.get(f"test_{name}") for name in ("loss", "top1", "top5")}
        self.log.event(
            events.Epoch(
                epoch=self.epoch,
                iteration=self.iteration,
                metrics=metrics,
                volatile={"seconds": seconds, "pictures_per_second": pictures / max(seconds, 1e-9)},
            )
        )
        self.log.metrics(self.iteration, metrics)
        text = f"epoch {self.epoch}/{self.epochs}: {shown(metrics)}, {duration(seconds)}"
        if self.epoch < self.epochs:
            with_evaluations = time.monotonic() - self.epoch_start
            text += f", {duration(with_evaluations * (self.epochs - self.epoch))} left"
        self.progress.line(text)
        self.epoch_start = time.monotonic()

    def _evaluated(self, loader: Loader, prefix: str) -> dict[str, float]:
        found = evaluate_network(self.network, loader, quiet=True)
        return {f"{prefix}{name}": getattr(found, name) for name in ("loss", "top1", "top5")}

    def _state(self) -> dict[str, Any]:
        return {
            "iteration": self.iteration,
            "meter": self.meter.sums,
            "network": dict(self.network.state_dict()),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "random": random_state(),
            "computed": what_computes(self.device),
            "log": self.log.lengths,
        }

    def _load(self, state: dict[str, Any]) -> None:
        self.iteration = state["iteration"]
        if self.iteration > self.iterations:
            raise ValueError(f"iteration {self.iteration} of {self.iterations}")
        self.meter.reset(state["meter"])
        self.best = state["best"]
        if self.best:
            _BEST.check(self.best, "best")
            # Loaded for a moment, so that weights that do not fit are found now, not at the end.
            self.network.load_state_dict(self.best["weights"])
        self.network.load_state_dict(state["network"])
        load_optimiser(self.optimiser, state["optimiser"])
        self.lengths = state["log"]
        self.random = checked_random_state(state["random"])
        tell_what_changed(state.get("computed"), self.device)


def evaluate_network(
    network: nn.Module, loader: Loader, classes: tuple[str, ...] = (), quiet: bool = False
) -> Evaluation:
    """Evaluate a network in evaluation mode and single precision; it is left in that mode.

    Args:
        network: on the device of the batches.
        loader: of what it is evaluated on.
        classes: their names, for what is told of single classes.
        quiet: whether nothing is shown of how far it is.
    """
    network.eval()
    with Progress(len(loader), quiet=quiet, what="evaluating batches") as progress:

        def batches() -> Iterator[Batch]:
            for batch in loader.batches(0):
                yield batch
                progress.advance()

        return replace(evaluate(network, batches()), classes=classes)
