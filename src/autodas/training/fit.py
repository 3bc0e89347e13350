"""Training of a network, epoch by epoch; that of a discrete network from scratch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from autodas.data import Batch, Loader
from autodas.errors import AutodasError
from autodas.loop import (
    ALONE,
    OWN,
    Compute,
    Group,
    Iterations,
    Keeper,
    Keeping,
    Losses,
    Pieces,
    add_gradient,
    check_micro_batches,
    check_reduced_gradients,
    check_same_tensors,
    checked_random_state,
    clipped_step,
    counted_together,
    explain_damage,
    in_precision,
    load_optimiser,
    load_own_state,
    on_accelerator,
    own_state,
    restore_random_state,
    time_of_epoch,
    unreduced,
    weight_optimiser,
)
from autodas.loop.checkpoint import SEVERAL, SHARED, TENSOR
from autodas.loop.tasks import Meter, Task
from autodas.networks import HandcraftedNetwork, Network
from autodas.progress import Progress, duration
from autodas.reading import MAPPING, TEXT, Fields, Number, Values, Whole
from autodas.runs import events
from autodas.settings import AdamWSettings, OptimSettings
from autodas.supernet import norms_of
from autodas.training.teacher import Distillation

_STATE = Fields(
    {
        "iteration": Whole(),
        "meter": TENSOR,
        "network": Values(TENSOR),
        "optimiser": MAPPING,
        "best": MAPPING,
        **SHARED,
    },
    {**SEVERAL, "teacher": TEXT},
)


@dataclass(frozen=True)
class Regularisation:
    """Regularisation of a network, besides augmentation.

    Args:
        drop_path: final rate of drop path, in [0, 1); it rises linearly from 0, epoch by epoch (DARTS).
            Hand-crafted networks have no edges to drop.
        auxiliary: whether a network is built with an auxiliary head, if it can have one.
        auxiliary_weight: weight of the auxiliary head's loss, if the network has such a head.
    """

    drop_path: float = 0.0
    auxiliary: bool = False
    auxiliary_weight: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.drop_path < 1:
            raise AutodasError(f"drop_path={self.drop_path} must lie in [0, 1)")
        if self.auxiliary_weight < 0:
            raise AutodasError(f"auxiliary_weight={self.auxiliary_weight} must be at least 0")


class TrainingBatches(Protocol):
    """Batches of training samples, the same from any start; a :class:`~autodas.Loader` is one."""

    batch_size: int

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""

    def stream(self, step: int = 0) -> Iterator[Batch]:
        """Yield batches indefinitely, from the one with this number on."""


class Metrics(Protocol):
    """What a training needs of a task: its metrics, and how to say them."""

    @property
    def evaluated(self) -> tuple[str, ...]:
        """Metrics of an evaluation, as named in logs."""

    @property
    def score(self) -> str:
        """The metric used to compare epochs, in percent; higher is better."""

    def meter(self, device: torch.device | str = "cpu") -> Meter:
        """Return running sums of what is measured of training batches."""

    def in_words(self, metrics: Mapping[str, Any]) -> str:
        """Return metrics, whose names may have a prefix, as text."""


class EpochLoop(ABC):
    """Training of a module epoch by epoch; :meth:`run` runs it and leaves the last epoch's weights.

    With validation samples the weights of the best epoch on them are kept instead. A subclass defines the
    losses and the evaluation.

    Args:
        network: module on its device.
        train: batches of training samples.
        task: metrics, and how to say them.
        epochs: number of epochs.
        optim: settings of the weights' optimiser.
        keeping: what is kept of the run.
        compute: how to compute; the device is that of the network.
        validation: samples held out of training, evaluated after every epoch; ``None`` for none.
        watched: samples whose accuracy is logged every ``watch_every`` epochs without further effect: the
            test set, if the user asks for test curves; ``None`` for none.
        watch_every: see ``watched``.
    """

    recordable: ClassVar[bool] = True
    """Whether iterations can be recorded as CUDA graphs: they change nothing on the host."""

    network: nn.Module
    taught_by: str | None = None
    """Hash of the teacher, if there is one."""

    def __init__(
        self,
        network: nn.Module,
        train: TrainingBatches,
        task: Metrics,
        *,
        epochs: int,
        optim: OptimSettings | AdamWSettings,
        keeping: Keeping,
        compute: Compute | None = None,
        validation: Any = None,
        watched: Any = None,
        watch_every: int = 0,
    ) -> None:
        if epochs < 1:
            raise AutodasError(f"epochs={epochs} must be at least 1")
        self.device = next(network.parameters()).device
        self.compute = replace(compute or Compute(), device=self.device)
        self.group, keeping = self.compute.group, keeping.by(self.compute.group)
        if self.compute.micro_batches != 1 or self.group.size > 1:
            check_micro_batches(self.compute.micro_batches, train.batch_size, self.group.size)
        self.network, self.train, self.task, self.epochs, self.optim = network, train, task, epochs, optim
        self.validation, self.watched, self.watch_every = validation, watched, watch_every
        self.folder, self.checkpoint_every = keeping.folder, max(1, keeping.every)
        self.iterations = epochs * len(train)
        self.optimiser = weight_optimiser(network.parameters(), optim)
        self.meter = task.meter(self.device)
        self.steps = Iterations(
            self._gradient_step,
            ("training",),
            optim,
            self.iterations,
            len(train),
            self.compute,
            lambda text: self.keeper.say(text),
            self.optimiser.zero_grad,
        )
        self.weights = list(network.parameters())
        self.norms = norms_of(network)
        self.iteration = 0
        self.best: dict[str, Any] = {}
        self.keeper = Keeper(keeping, "train", self.device, _STATE, self.group)
        if self.keeper.state is not None:
            with explain_damage(self.folder.checkpoint):
                self._load(self.keeper.state)
            if self.keeper.state.get("teacher") != self.taught_by:
                raise AutodasError(
                    f"{self.folder.path}: the teacher has changed since this run was started: a run can only "
                    "be resumed with its own; restore it, or start a new run"
                )

    @abstractmethod
    def _losses(self, images: Tensor, labels: Tensor) -> Losses:
        """Return the losses of a part of a batch."""

    @abstractmethod
    def _evaluated(self, loader: Any, prefix: str) -> dict[str, Any]:
        """Return the metrics on other samples, with a prefix."""

    def _begin_epoch(self) -> None:  # noqa: B027  # mostly nothing depends on it
        """Set what depends on the epoch; called before every iteration."""

    def run(self, start: dict[str, Any] | None = None, notes: Sequence[str] = ()) -> None:
        """Run the training.

        Args:
            start: fields of the log's first event; its ``notes`` have already been printed.
            notes: notes to be printed at the start.

        Raises:
            AutodasError: if the loss is not finite, or the disk is full; the last good checkpoint is kept.
            Interrupted: after Ctrl-C or a termination signal; the state has been saved.
        """
        keeper, state = self.keeper, self.keeper.state
        stream = self.train.stream(self.iteration)
        self._check_agreement()
        with keeper.running(self.iterations, self.iteration):
            if state is None:
                facts = start or {}
                all_notes = [*facts.get("notes", ()), *notes]
                keeper.log.event(events.Start.from_dict({"command": "train", **facts, "notes": all_notes}))
                for note in notes:
                    keeper.say(note)
            else:
                restore_random_state(state["random"], self.device)
            keeper.clock.start()
            while self.iteration < self.iterations:
                with keeper.waiting(self.iteration, self._state):
                    batch = next(stream)
                self.step(batch)
                self._after_step()
        if self.best:
            self.network.load_state_dict(self.best["weights"])

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.iteration // len(self.train)

    def _after_step(self) -> None:
        keeper = self.keeper
        ended = self.iteration % len(self.train) == 0
        if ended:
            self.steps.watch.check()
            self._check_agreement()
            self.average_statistics()
            self.group.collect_(self.meter.sums)
            self._end_epoch()
        elif keeper.progress.due:
            pace = keeper.clock.spent[0] / (self.iteration % len(self.train))
            left = duration(pace * (self.iterations - self.iteration))
            text = f"{self.task.in_words(self.meter.result())}, {left} to go"
            keeper.progress.update(self.iteration, text)
        due = ended and (self.epoch % self.checkpoint_every == 0 or self.epoch == self.epochs)
        keeper.after(self.iteration, self._state, due=due, ended=self.iteration == self.iterations)

    def _check_agreement(self) -> None:
        """Check that all processes have the same weights, at the start and after each epoch."""
        when = f"since epoch {self.epoch}" if self.iteration else "from the start"
        check_same_tensors(self.group, lambda: dict(self.network.named_parameters()), when)

    def average_statistics(self) -> None:
        """Set the running statistics of all processes to their means; nothing reads them while training."""
        self.group.mean_([buffer for buffer in self.network.buffers() if buffer.is_floating_point()])

    def step(self, batch: Batch) -> None:
        """Run the next iteration."""
        if not self.network.training:
            self.network.train()
        self._begin_epoch()
        constants = () if self.recordable else None
        self.steps.do(self.iteration, self.optimiser, [batch], constants, self.iterations - self.iteration)
        self.iteration += 1

    def _gradient_step(
        self, images: Tensor, labels: Tensor, shares: Sequence[float]
    ) -> Pieces[tuple[Tensor, ...]]:
        """Run one step and return its loss. No host state changes, so that this can be recorded."""
        (share,) = shares
        self.optimiser.zero_grad(set_to_none=True)
        meter = self.meter if share > 0 else None
        loss = add_gradient(self._losses, images, labels, self.compute.micro_batches, meter=meter)
        total = yield from self.group.sum_gradients(self.weights, loss, share)
        clipped_step(self.optimiser, self.optim.clip)
        return (total,)

    def _end_epoch(self) -> None:
        keeper = self.keeper
        metrics: dict[str, float | None] = {**self.meter.result("train_")}
        samples = self.meter.count
        self.meter.reset()
        seconds, cpu, waited = keeper.clock.spent
        if self.validation is not None:
            metrics |= (validated := self._evaluated(self.validation, "validation_"))
            score = validated[f"validation_{self.task.score}"]
            if not self.best or score > self.best[self.task.score]:
                weights = {name: t.detach().clone() for name, t in self.network.state_dict().items()}
                self.best = {"epoch": self.epoch, self.task.score: score, "weights": weights}
        if self.watched is not None:
            due = self.epoch % self.watch_every == 0
            tested = self._evaluated(self.watched, "test_") if due else {}
            metrics |= {f"test_{name}": tested.get(f"test_{name}") for name in self.task.evaluated}
        keeper.log.event(
            events.Epoch(
                epoch=self.epoch,
                iteration=self.iteration,
                metrics=metrics,
                volatile={
                    "seconds": seconds,
                    "cpu_seconds": cpu,
                    "waiting_seconds": waited,
                    "pictures_per_second": samples / max(seconds, 1e-9),
                },
            )
        )
        keeper.log.metrics(self.iteration, metrics)
        text = f"epoch {self.epoch}/{self.epochs}: {self.task.in_words(metrics)}, "
        text += time_of_epoch(seconds, waited, samples, self.group.size)
        if self.epoch < self.epochs:
            with_evaluations = keeper.clock.spent[0]
            text += f", {duration(with_evaluations * (self.epochs - self.epoch))} left"
        keeper.say(text)
        keeper.clock.start()

    def _state(self) -> dict[str, Any]:
        self.steps.watch.check()
        return {
            "iteration": self.iteration,
            "meter": self.meter.sums,
            "network": dict(self.network.state_dict()),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            **({} if self.taught_by is None else {"teacher": self.taught_by}),
            OWN: own_state(self.network, [self.meter]),
        }

    def _load(self, state: dict[str, Any]) -> None:
        self.iteration = state["iteration"]
        if self.iteration > self.iterations:
            raise ValueError(f"iteration {self.iteration} of {self.iterations}")
        self.meter.reset(state["meter"])
        self.best = state["best"]
        if self.best:
            shape = Fields({"epoch": Whole(), self.task.score: Number(), "weights": Values(TENSOR)})
            shape.check(self.best, "best")
            # Loaded temporarily, so that weights that do not fit are detected now, not at the end.
            self.network.load_state_dict(self.best["weights"])
        self.network.load_state_dict(state["network"])
        load_own_state(state, self.network, [self.meter], self.group)
        load_optimiser(self.optimiser, state["optimiser"])
        checked_random_state(state["random"])


class Fit(EpochLoop):
    """Training of a network; ``Fit(...).run()`` runs it and leaves the last epoch's weights.

    With validation samples the weights of the best epoch on them are kept instead.

    Args:
        network: network on its device.
        train: batches of training samples.
        task: task of the network.
        optim: settings of the weights' optimiser.
        keeping: what is kept of the run.
        compute: how to compute; the device is that of the network.
        regularisation: drop path and auxiliary head.
        distillation: teacher whose outputs are learned, too; ``None`` for none.
        others: further arguments of :class:`EpochLoop`.
    """

    network: Network | HandcraftedNetwork
    task: Task[Any]

    def __init__(
        self,
        network: Network | HandcraftedNetwork,
        train: Loader,
        task: Task[Any],
        *,
        optim: OptimSettings,
        keeping: Keeping,
        compute: Compute | None = None,
        regularisation: Regularisation | None = None,
        distillation: Distillation | None = None,
        **others: Any,
    ) -> None:
        self.regularisation, self.distillation = regularisation or Regularisation(), distillation
        place = next(network.parameters()).device
        self.taught_by = None if distillation is None else distillation.teacher.to(place).digest()
        if compute is not None and compute.precision == "bf16" and place.type == "cpu" and not keeping.resume:
            check_reduced_gradients(network, train.blank(2))
        super().__init__(network, train, task, optim=optim, keeping=keeping, compute=compute, **others)
        self.drop_path: float | None = None
        self.rate: Tensor | None = None
        if on_accelerator(self.weights) and self.regularisation.drop_path > 0:
            # In a lasting tensor, so that one recording serves all epochs.
            self.rate = torch.zeros((), device=self.device)
            network.set_drop_path(self.rate)

    def _begin_epoch(self) -> None:
        drop_path = self.regularisation.drop_path * self.epoch / self.epochs
        if drop_path != self.drop_path:
            self.drop_path = drop_path
            if self.rate is None:
                self.network.set_drop_path(drop_path)
            else:
                self.rate.fill_(drop_path)

    def _losses(self, images: Tensor, labels: Tensor) -> Losses:
        with in_precision(self.compute.precision, self.device), counted_together(self.norms):
            outputs, auxiliary = self.network.forward_with_auxiliary(images)
            taught = None if self.distillation is None else self.distillation.teacher(images)
        outputs = unreduced(outputs)
        own = total = self.task.training_loss(outputs, labels)
        if self.distillation is not None and taught is not None:
            settings = self.distillation.settings
            distance = self.task.distance(outputs, unreduced(taught), settings.temperature)
            own = total = (1 - settings.weight) * own + settings.weight * distance
        if auxiliary is not None:
            beside = self.task.training_loss(unreduced(auxiliary), labels)
            total = total + self.regularisation.auxiliary_weight * beside
        return Losses(total, own, outputs)

    def _evaluated(self, loader: Loader, prefix: str) -> dict[str, Any]:
        evaluation = evaluate_network(self.network, loader, self.task, quiet=True, group=self.group)
        return {f"{prefix}{name}": value for name, value in evaluation.metrics.items()}


def evaluate_network(
    network: nn.Module, loader: Loader, task: Task[Any], quiet: bool = False, group: Group = ALONE
) -> Any:
    """Evaluate a network in evaluation mode and single precision, and leave it in that mode.

    Args:
        network: network on the device of the batches.
        loader: loader of the samples.
        task: task of the network.
        quiet: whether to show no progress bar.
        group: processes that share the batches, if those of the loader are shared.

    Returns:
        The task's :class:`~autodas.loop.tasks.Evaluation`.
    """
    network.eval()
    collect = group.in_turn if loader.shared else None
    with Progress(len(loader), quiet=quiet, what="evaluating batches") as progress:

        def batches() -> Iterator[Batch]:
            for batch in loader.batches(0):
                yield batch
                progress.advance(group.size)

        return task.evaluate(network, batches(), collect)
