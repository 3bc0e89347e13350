"""What is asked of a network: all that loops, estimates and commands know of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from autodas.data import Batch, ImageDataset
from autodas.errors import AutodasError
from autodas.loop.tasks._evaluation import Evaluation
from autodas.loop.tasks._meter import Meter
from autodas.runs.folder import RunFolder

Found = TypeVar("Found", bound=Evaluation)


class Task(ABC, Generic[Found]):
    """What is asked of a network, as a value: loss, metrics, the size of the head, words for predictions.

    A task is one file with a subclass; :func:`~autodas.loop.tasks.task_of` says which data set asks for it.
    *Outputs* are what a network computes for a batch, *targets* what the data set says that is right.
    """

    metrics: ClassVar[tuple[str, ...]]
    """What is measured on a batch, as logs call it: the loss, then what people look at."""

    score: ClassVar[str]
    """The metric by which epochs and architectures are compared, in percent; more is better."""

    in_words_only: ClassVar[tuple[str, ...]] = ()
    """Entries of an evaluation's summary that people are told in sentences, where they matter."""

    prediction_columns: ClassVar[tuple[str, ...]]
    """What a prediction of :meth:`predict` consists of."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Size of the head: how many numbers a network computes for each sample."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, as evaluations and the architecture step see it."""

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss that weights are trained by, with what regularises it."""
        return self.loss(outputs, targets)

    @abstractmethod
    def meter(self, device: torch.device | str = "cpu") -> Meter:
        """Return running sums of :attr:`metrics`, on a device."""

    @abstractmethod
    def noise(self, count: int, device: torch.device | str) -> Tensor:
        """Return targets of so many samples, for estimates: what they are costs nothing."""

    @abstractmethod
    def in_words(self, metrics: Mapping[str, Any]) -> str:
        """Return metrics, whose names may have a prefix, as text for people."""

    @torch.no_grad()
    def evaluate(self, forward: Callable[[Tensor], Tensor], batches: Iterable[Batch]) -> Found:
        """Evaluate a network that is in evaluation mode.

        Args:
            forward: from images or clips to outputs.
            batches: what it is evaluated on. Samples with equal indices are clips of one video.

        Raises:
            AutodasError: if outputs are infinite or not numbers.
        """
        meter: Meter | None = None
        parts = []
        clips = None
        for batch in batches:
            outputs = forward(batch.images).float()
            meter = meter or self.meter(outputs.device)
            meter.add(self.loss(outputs, batch.labels), outputs, batch.labels)
            parts.append((outputs.cpu(), batch.labels.cpu(), batch.indices.cpu()))
            if batch.images.dim() == 5:
                clips = (clips or 0) + len(batch.labels)
        assert meter is not None, "nothing to evaluate on"
        outputs, targets, indices = (torch.cat(column) for column in zip(*parts, strict=True))
        lost = int((~outputs.isfinite()).any(1).sum())
        if lost:
            # Any class would be the largest of them.
            raise AutodasError(
                f"what the network answers are no numbers, for {lost} of {len(outputs)} samples: its weights "
                "have grown beyond all bounds. A smaller `optim.lr` may help"
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
        """Return what an evaluation found; samples with equal indices are clips of one video.

        Args:
            metrics: of all samples, or clips.
            outputs: shape (samples or clips, size of the head).
            targets: of each.
            indices: shape (samples or clips,), the number of the sample in its set.
            clips: how many clips there are; ``None`` for images.
        """

    @abstractmethod
    def fuse(self, evaluations: Sequence[Found]) -> Found:
        """Return the evaluation of several networks together (late fusion).

        Args:
            evaluations: of the same samples, in any order.

        Raises:
            AutodasError: if they are not of the same samples and heads.
        """

    @abstractmethod
    def remarks(self, found: Found, train_score: float | None = None) -> list[str]:
        """Return sentences for people about what an evaluation found; mostly there are none.

        Args:
            found: on test samples.
            train_score: the score on the training samples at the end of training, where it is known.
        """

    @abstractmethod
    def write(self, found: Found, folder: RunFolder, dataset: ImageDataset) -> None:
        """Write what a network says of each test sample, and some of its mistakes, into a run folder."""

    @abstractmethod
    def error(self, score: float, count: int) -> float:
        """Return the standard error of a score on so many samples."""

    @abstractmethod
    def interval(self, score: float, count: int) -> tuple[float, float]:
        """Return the 95 % interval of a score on so many samples."""

    @abstractmethod
    def result_line(self, summary: Mapping[str, Any]) -> str:
        """Return what a person is told of an evaluation in one line.

        Args:
            summary: of :meth:`~autodas.loop.tasks.Evaluation.summary`.
        """

    @abstractmethod
    def predict(self, outputs: Tensor, top: int) -> list[dict[str, Any]]:
        """Return what a network says of one sample, the best guess first, by :attr:`prediction_columns`.

        Args:
            outputs: shape (views, size of the head): what it computed for each view of the sample.
            top: at most how many guesses.
        """

    @abstractmethod
    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return what :meth:`predict` found as text for people."""
