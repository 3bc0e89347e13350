"""The task of a network: its whole interface to loops, estimates and commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from autodas.data import Batch, ImageDataset, Sampler
from autodas.errors import AutodasError
from autodas.loop.tasks._evaluation import Evaluation
from autodas.loop.tasks._meter import Meter
from autodas.runs.folder import RunFolder
from autodas.settings import OptimSettings
from autodas.user_code import PREFIX

Found = TypeVar("Found", bound=Evaluation)


class Task(ABC, Generic[Found]):
    """Task of a network: loss, metrics, size of the head, text of predictions.

    A task is one file with a subclass; :func:`~autodas.loop.tasks.task_of` chooses it for a data set. A task
    of the user's own extends one of these subclasses: answers are read and results are compared as in the
    task that it extends, whose :attr:`name`, :attr:`metrics` and :attr:`score` it keeps.
    *Outputs* are what a network computes for a batch, *targets* the correct answers of the data set.
    """

    name: ClassVar[str]
    """Name in options, logs and model files."""

    metrics: ClassVar[tuple[str, ...]]
    """Metrics of a batch, as named in logs: the loss first, then those shown to the user."""

    evaluated: ClassVar[tuple[str, ...]]
    """Metrics of an evaluation, which may need all samples together; the score is among them."""

    score: ClassVar[str]
    """The metric used to compare epochs and architectures, in percent; higher is better."""

    score_words: ClassVar[str]
    """The score as users read it: ``accuracy``."""

    forms: ClassVar[Mapping[str, str]]
    """Text of a metric, ``"top1 {:.1f} %"``; those without are not told while a run is in progress."""

    in_words_only: ClassVar[tuple[str, ...]] = ()
    """Entries of an evaluation's summary that are only reported in sentences, where they matter."""

    ranked: ClassVar[bool] = True
    """Whether predictions for a sample are alternatives, the best first; otherwise there is exactly one."""

    @classmethod
    @abstractmethod
    def of(cls, dataset: ImageDataset, optim: OptimSettings) -> Self:
        """Return the task for a data set that poses it; raises AutodasError if settings do not fit."""

    @classmethod
    @abstractmethod
    def from_facts(cls, classes: tuple[str, ...], facts: Mapping[str, Any]) -> Self:
        """Return the task of a trained network, from the plain data of :meth:`facts` in its model file.

        Raises:
            AutodasError: if they are invalid.
        """

    def facts(self) -> dict[str, Any]:
        """Return what a model file says about the task besides its classes, as plain data."""
        return {"name": self.name}

    def described(self) -> dict[str, Any]:
        """Return :meth:`facts`, with the path of the class as ``code`` if it is the user's own."""
        kind = type(self)
        own = kind.__module__.partition(".")[0] != "autodas"
        return self.facts() | ({"code": f"{PREFIX}{kind.__module__}:{kind.__qualname__}"} if own else {})

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Size of the head: the number of outputs for each sample."""

    @property
    @abstractmethod
    def prediction_columns(self) -> tuple[str, ...]:
        """Fields of a prediction of :meth:`predict`."""

    @property
    def sampler(self) -> Sampler | None:
        """Order of the samples that train the weights; ``None`` for each once in an epoch."""
        return None

    def check_batch(self, size: int) -> None:  # usually any size will do
        """Raise AutodasError if batches of a size cannot train the task."""

    def equip(self, network: nn.Module) -> None:  # usually there is nothing to add
        """Add layers to a network that only its training needs; :meth:`finish` removes them."""

    def begin(self, network: nn.Module) -> None:  # usually there is nothing to do
        """Prepare a network for training whose head comes from a model file of the same task."""

    def finish(self, network: nn.Module, held_out: Callable[[], Found] | None) -> Task[Found]:
        """Return the task of a network at the end of its training, as its model file describes it.

        Args:
            network: the network, whose head may be changed.
            held_out: function that evaluates it on samples held out of training; ``None`` if there are none.
        """
        return self

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, as used by evaluations and the architecture step."""

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss for training weights, including regularisation."""
        return self.loss(outputs, targets)

    @abstractmethod
    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the mean distance of outputs from those of a teacher, which is learned in distillation.

        Args:
            outputs: shape (batch, size of the head).
            teacher: the teacher's outputs, of the same shape.
            temperature: above 0; probabilities are those of outputs divided by it.
        """

    @abstractmethod
    def meter(self, device: torch.device | str = "cpu") -> Meter:
        """Return running sums of :attr:`metrics`, on a device."""

    @abstractmethod
    def noise(self, count: int, device: torch.device | str) -> Tensor:
        """Return targets of the given number of samples, for estimates: their values do not matter."""

    def in_words(self, metrics: Mapping[str, Any]) -> str:
        """Return metrics, whose names may have a prefix, as text."""
        told = []
        for name, value in metrics.items():
            own = next((own for own in self.forms if f"_{name}".endswith(f"_{own}")), None)
            if own is not None and value is not None:
                told.append(name[: -len(own)].replace("_", " ") + self.forms[own].format(value))
        return ", ".join(told)

    @torch.no_grad()
    def evaluate(
        self,
        forward: Callable[[Tensor], Tensor],
        batches: Iterable[Batch],
        collect: Callable[[Sequence[Any]], list[Any]] | None = None,
    ) -> Found:
        """Evaluate a network in evaluation mode.

        Args:
            forward: function from images or clips to outputs.
            batches: batches to evaluate on. Samples with equal indices are clips of one video.
            collect: function from the list of what this process has computed for its batches to that of all
                processes, if several share them.

        Raises:
            AutodasError: if outputs are infinite or not a number.
        """
        parts, videos = [], False
        for batch in batches:
            # Copied to the host once, at the end: a copy for each batch would wait for the device each time.
            parts.append((forward(batch.images).float(), batch.labels, batch.indices))
            videos = videos or batch.images.dim() == 5
        if collect is not None:
            own = [(tuple(tensor.cpu() for tensor in part), videos) for part in parts]
            parts, all_videos = (list(column) for column in zip(*collect(own), strict=True))
            videos = any(all_videos)
        assert parts, "nothing to evaluate on"
        meter = self.meter(parts[0][0].device)
        for outputs, targets, _ in parts:
            meter.add(self.loss(outputs, targets), outputs, targets)
        outputs, targets, indices = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
        clips = len(outputs) if videos else None
        lost = int((~outputs.isfinite()).any(1).sum())
        if lost:
            # Otherwise an arbitrary class would count as the prediction.
            raise AutodasError(
                f"the network's outputs are not finite for {lost} of {len(outputs)} samples: its weights "
                "have diverged. A smaller `optim.lr` may help"
            )
        return self.evaluation(meter.result(), outputs, targets, indices, clips)

    @abstractmethod
    def evaluation(
        self,
        metrics: Mapping[str, float],
        outputs: Tensor,
        targets: Tensor,
        indices: Tensor,
        clips: int | None,
    ) -> Found:
        """Return the result of an evaluation; samples with equal indices are clips of one video.

        Args:
            metrics: metrics of all samples, or clips.
            outputs: shape (samples or clips, size of the head).
            targets: target of each.
            indices: shape (samples or clips,), the number of the sample in its set.
            clips: number of clips; ``None`` for images.
        """

    @abstractmethod
    def fuse(self, evaluations: Sequence[Found]) -> Found:
        """Return the evaluation of an ensemble of networks (late fusion).

        Args:
            evaluations: evaluations of the same samples, in any order.

        Raises:
            AutodasError: if the evaluations are of different samples or heads.
        """

    @abstractmethod
    def remarks(self, found: Found, train_score: float | None = None) -> list[str]:
        """Return remarks about the result of an evaluation, in sentences; mostly there are none.

        Args:
            found: evaluation on test samples.
            train_score: score on the training samples at the end of training, if known.
        """

    @abstractmethod
    def write(self, found: Found, folder: RunFolder, dataset: ImageDataset) -> None:
        """Write the prediction for each test sample, and some of the mistakes, into a run folder."""

    def error(self, score: float, count: int) -> float | None:
        """Return the standard error of a score on the given number of samples; ``None`` if it is unknown."""
        return None

    def interval(self, score: float, count: int) -> tuple[float, float] | None:
        """Return the 95 % interval of a score on the given number of samples; ``None`` if it is unknown."""
        return None

    @abstractmethod
    def result_line(self, summary: Mapping[str, Any]) -> str:
        """Return the summary of an evaluation in one line of text.

        Args:
            summary: summary of :meth:`~autodas.loop.tasks.Evaluation.summary`.
        """

    @abstractmethod
    def predict(self, outputs: Tensor, top: int | None) -> list[dict[str, Any]]:
        """Return the predictions for one sample, the best first, with the fields :attr:`prediction_columns`.

        Args:
            outputs: shape (views, size of the head), the outputs for each view of the sample.
            top: maximum number of predictions; ``None`` for the task's own.
        """

    @abstractmethod
    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the probabilities that outputs (batch, size of the head) stand for, in the same shape."""

    @abstractmethod
    def from_probabilities(self, probabilities: Tensor) -> Tensor:
        """Return outputs that stand for probabilities, the inverse of :meth:`probabilities`."""

    @abstractmethod
    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return a prediction of :meth:`predict` as text."""
