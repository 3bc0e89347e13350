"""Single-label classification: each sample belongs to one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.accuracy import in_words, standard_error, wilson_interval
from autodas.data import ImageDataset, Sampler, balanced, class_counts
from autodas.data_options import Balance
from autodas.kernels import constant
from autodas.loop.tasks._accuracy_meter import AccuracyMeter
from autodas.loop.tasks._class_evaluation import ClassEvaluation, together
from autodas.loop.tasks._class_files import write_classification
from autodas.loop.tasks._class_remarks import remarks
from autodas.loop.tasks._merging import clips_together, in_one_order, several_clips
from autodas.loop.tasks._task import Task
from autodas.runs.folder import RunFolder
from autodas.runs.scores import SCORES
from autodas.settings import OptimSettings

TOP = 5
"""Number of classes of a prediction, unless the user wants another."""


@dataclass(frozen=True)
class Classification(Task[ClassEvaluation]):
    """Single-label classification: cross entropy, top-1 and top-5 accuracy, a logit for each class.

    Args:
        classes: names of the classes in the order of the logits, or only their number.
        label_smoothing: share of the target that is spread over all classes in training, in [0, 1).
        counts: number of training samples of each class, if known.
        balance: how classes of different sizes are balanced in training, which needs ``counts``: by weights
            of their losses, or by drawing all of them equally often.

    Examples:
        >>> import autodas
        >>> autodas.Classification(("cat", "dog")).score
        'top1'
    """

    classes: tuple[str, ...] | int
    label_smoothing: float = 0.0
    counts: tuple[int, ...] = ()
    balance: Balance = "none"

    name = "classification"
    metrics = ("loss", "top1", "top5")
    evaluated = metrics
    score, score_words, _ = SCORES["classification"]
    forms: ClassVar[Mapping[str, str]] = {"loss": "loss {:.3f}", "top1": "top1 {:.1f} %"}
    in_words_only = ("recalls", "majority", "standard_error")

    @classmethod
    def of(cls, dataset: ImageDataset, optim: OptimSettings) -> Classification:
        """Return the task for a data set, with the sizes of its classes."""
        counts = class_counts(dataset.train.labels, len(dataset.classes))
        return cls(dataset.classes, optim.label_smoothing, tuple(counts.tolist()), dataset.options.balance)

    @classmethod
    def from_facts(cls, classes: tuple[str, ...], facts: Mapping[str, Any]) -> Classification:
        """Return the task of a trained network."""
        return cls(classes)

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """The name of a class and its probability."""
        return ("class", "probability")

    @property
    def weights(self) -> tuple[float, ...]:
        r"""Weight :math:`n / (k n_c)` of class c, with :math:`n_c` of n samples, of k classes."""
        present = sum(count > 0 for count in self.counts)
        return tuple(sum(self.counts) / (present * count) if count else 0.0 for count in self.counts)

    @property
    def sampler(self) -> Sampler | None:
        """Order of the samples that train the weights: all classes equally often, or each sample once."""
        return balanced if self.balance == "sampler" else None

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy."""
        return F.cross_entropy(outputs, targets)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy with smoothed labels, weighted if classes are balanced by weights.

        The mean is over samples, not over weights: parts of a batch have their share of its gradient.
        """
        if self.balance != "weights":
            return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        losses = F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="none")
        weights = constant(self.weights, outputs.device, losses.dtype)
        return (weights[targets] * losses).mean()

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return T^2 KL(softmax(z / T) || softmax(y / T)) for outputs y, those of the teacher z, and T.

        The factor keeps the size of the gradient (Hinton, Vinyals and Dean 2015, section 2).
        """
        ours, theirs = (logits.div(temperature).log_softmax(1) for logits in (outputs, teacher))
        return temperature**2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)

    def meter(self, device: torch.device | str = "cpu") -> AccuracyMeter:
        """Return running sums of loss, top-1 and top-5 hits."""
        return AccuracyMeter(device)

    def noise(self, count: int, device: torch.device | str) -> Tensor:
        """Return random labels."""
        return torch.randint(self.outputs, (count,), device=device)

    def evaluation(
        self,
        metrics: Mapping[str, float],
        outputs: Tensor,
        targets: Tensor,
        indices: Tensor,
        clips: int | None,
    ) -> ClassEvaluation:
        """Return the result; the score of a video is the mean of the probabilities of its clips."""
        clip_top1 = None if clips is None else metrics["top1"]
        if several_clips(indices, clips):
            metrics, outputs, targets, indices = together(outputs, targets, indices)
        return self._evaluation(metrics, outputs, targets, indices, clips, clip_top1)

    def _evaluation(
        self,
        metrics: Mapping[str, float],
        outputs: Tensor,
        targets: Tensor,
        indices: Tensor,
        clips: int | None,
        clip_top1: float | None = None,
    ) -> ClassEvaluation:
        return ClassEvaluation(
            outputs=outputs,
            targets=targets,
            indices=indices,
            clips=clips,
            loss=metrics["loss"],
            top1=metrics["top1"],
            top5=metrics.get("top5"),
            clip_top1=clip_top1,
            classes=() if isinstance(self.classes, int) else self.classes,
        )

    def fuse(self, evaluations: Sequence[ClassEvaluation]) -> ClassEvaluation:
        """Return the evaluation of an ensemble of networks: the mean of their probabilities (late fusion).

        Raises:
            AutodasError: if the evaluations are of different samples or classes.
        """
        metrics, fused, labels, indices = together(*in_one_order(evaluations))
        found = self._evaluation(metrics, fused, labels, indices, clips_together(evaluations))
        return replace(found, classes=evaluations[0].classes)

    def remarks(self, found: ClassEvaluation, train_score: float | None = None) -> list[str]:
        """Return remarks on the accuracy: chance, memorisation, unbalanced classes."""
        return remarks(found, train_score, self.counts)

    def write(self, found: ClassEvaluation, folder: RunFolder, dataset: ImageDataset) -> None:
        """Write ``predictions.parquet``, and the most confident mistakes into ``examples/``."""
        write_classification(folder, found, dataset)

    def error(self, score: float, count: int) -> float:
        """Return the standard error of an accuracy, in percentage points."""
        return standard_error(score, count)

    def interval(self, score: float, count: int) -> tuple[float, float]:
        """Return Wilson's 95 % interval of an accuracy, in percent."""
        return wilson_interval(score, count)

    def result_line(self, summary: Mapping[str, Any]) -> str:
        """Return the test accuracy with its uncertainty."""
        more = [f"top-5 {summary['top5']:.1f} %"] if "top5" in summary else []
        more += [f"single clips {summary['clip_top1']:.1f} %"] if "clip_top1" in summary else []
        what = "videos" if "clips" in summary else "images"
        accuracy = in_words(summary["top1"], summary["count"], what)
        return "; ".join([f"test accuracy: {accuracy}", *more])

    def predict(self, outputs: Tensor, top: int | None) -> list[dict[str, Any]]:
        """Return the most likely classes with their probabilities, averaged over the views."""
        best, numbers = outputs.softmax(1).mean(0).topk(min(TOP if top is None else top, self.outputs))
        names = range(self.outputs) if isinstance(self.classes, int) else self.classes
        return [
            {"class": names[number], "probability": probability}
            for number, probability in zip(numbers.tolist(), best.tolist(), strict=True)
        ]

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the softmax of the outputs."""
        return outputs.softmax(1)

    def from_probabilities(self, probabilities: Tensor) -> Tensor:
        """Return logarithms, which are logits up to a constant of each sample."""
        return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()

    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return classes and probabilities in percent."""
        return ", ".join(f"{guess['class']} {100 * guess['probability']:.1f} %" for guess in prediction)
