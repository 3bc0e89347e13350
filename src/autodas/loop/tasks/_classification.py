"""Single-label classification: each sample belongs to one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.accuracy import in_words, standard_error, wilson_interval
from autodas.data import ImageDataset
from autodas.errors import AutodasError
from autodas.loop.tasks._accuracy_meter import AccuracyMeter
from autodas.loop.tasks._class_evaluation import ClassEvaluation, together
from autodas.loop.tasks._class_files import write_examples, write_predictions
from autodas.loop.tasks._class_remarks import remarks
from autodas.loop.tasks._task import Task
from autodas.runs.folder import RunFolder


@dataclass(frozen=True)
class Classification(Task[ClassEvaluation]):
    """Single-label classification: cross entropy, top-1 and top-5 accuracy, a logit for each class.

    Args:
        classes: names of the classes in the order of the logits, or only their number.
        label_smoothing: share of the target that is spread over all classes in training, in [0, 1).

    Examples:
        >>> import autodas
        >>> autodas.Classification(("cat", "dog")).score
        'top1'
    """

    classes: tuple[str, ...] | int
    label_smoothing: float = 0.0

    metrics = ("loss", "top1", "top5")
    score = "top1"
    in_words_only = ("recalls", "majority", "standard_error")
    prediction_columns = ("class", "probability")

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy."""
        return F.cross_entropy(outputs, targets)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy with smoothed labels."""
        return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)

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

    def in_words(self, metrics: Mapping[str, Any]) -> str:
        """Return losses and top-1 accuracies as text."""
        return ", ".join(
            f"{name.replace('_', ' ')} " + (f"{value:.3f}" if "loss" in name else f"{value:.1f} %")
            for name, value in metrics.items()
            if value is not None and not name.endswith("top5")
        )

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
        if clips is not None and len(set(indices.tolist())) < clips:
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
        first, count = evaluations[0], len(evaluations)
        orders = [evaluation.indices.argsort() for evaluation in evaluations]
        indices, labels = first.indices[orders[0]], first.labels[orders[0]]
        for other, order in zip(evaluations, orders, strict=True):
            if not (torch.equal(other.indices[order], indices) and torch.equal(other.labels[order], labels)):
                raise AutodasError(
                    "the networks were evaluated on different samples: their scores cannot be fused"
                )
            classes = first.logits.shape[1], other.logits.shape[1]
            if classes[0] != classes[1]:
                raise AutodasError(
                    f"the networks know {classes[0]} and {classes[1]} classes: their scores cannot be fused"
                )
        logits = torch.cat([other.logits[order] for other, order in zip(evaluations, orders, strict=True)])
        metrics, fused, labels, indices = together(logits, labels.repeat(count), indices.repeat(count))
        clips = None if first.clips is None else sum(e.clips or 0 for e in evaluations)
        return replace(self._evaluation(metrics, fused, labels, indices, clips), classes=first.classes)

    def remarks(self, found: ClassEvaluation, train_score: float | None = None) -> list[str]:
        """Return remarks on the accuracy: chance, memorisation, unbalanced classes."""
        return remarks(found, train_score)

    def write(self, found: ClassEvaluation, folder: RunFolder, dataset: ImageDataset) -> None:
        """Write ``predictions.parquet``, and the most confident mistakes into ``examples/``."""
        write_predictions(folder, found, dataset)
        write_examples(folder, found, dataset)

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

    def predict(self, outputs: Tensor, top: int) -> list[dict[str, Any]]:
        """Return the most likely classes with their probabilities, averaged over the views."""
        best, numbers = outputs.softmax(1).mean(0).topk(min(top, self.outputs))
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
