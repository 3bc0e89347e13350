"""Result of an evaluation of single-label classification."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.accuracy import standard_error, wilson_interval
from autodas.loop.tasks._accuracy_meter import AccuracyMeter
from autodas.loop.tasks._evaluation import Evaluation
from autodas.loop.tasks._merging import merged_logs, of_samples


@dataclass(frozen=True, kw_only=True)
class ClassEvaluation(Evaluation):
    """Result of an evaluation of single-label classification.

    ``outputs`` are logits (samples, classes); for videos with several clips, the logarithm of the mean of the
    clips' probabilities. ``targets`` are labels (samples,).

    Attributes:
        loss: mean cross entropy.
        top1: top-1 accuracy in percent.
        top5: top-5 accuracy in percent; ``None`` for fewer than six classes.
        clip_top1: top-1 accuracy of single clips in percent; ``None`` for images and fused networks.
        classes: names of the classes, if known.
    """

    loss: float
    top1: float
    top5: float | None
    clip_top1: float | None = None
    classes: tuple[str, ...] = ()

    @property
    def logits(self) -> Tensor:
        """The outputs."""
        return self.outputs

    @property
    def labels(self) -> Tensor:
        """The targets."""
        return self.targets

    @property
    def metrics(self) -> dict[str, float | None]:
        """Loss, top-1 and top-5 accuracy."""
        return {"loss": self.loss, "top1": self.top1, "top5": self.top5}

    @property
    def score(self) -> float:
        """The top-1 accuracy."""
        return self.top1

    def some(self, chosen: Tensor) -> ClassEvaluation:
        """Return the evaluation on a subset of the samples, given as a mask, bool (samples,)."""
        logits, labels = self.logits[chosen], self.labels[chosen]
        metrics = measured(logits, labels)
        return replace(
            self,
            loss=metrics["loss"],
            top1=metrics["top1"],
            top5=metrics.get("top5"),
            outputs=logits,
            targets=labels,
            indices=self.indices[chosen],
            clips=None,
            clip_top1=None,
        )

    @property
    def error(self) -> float:
        """Standard error of the top-1 accuracy, in percentage points."""
        return standard_error(self.top1, self.count)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the top-1 accuracy, in percent."""
        return wilson_interval(self.top1, self.count)

    @property
    def predicted(self) -> Tensor:
        """The most likely class of each sample."""
        return self.logits.argmax(1)

    @property
    def counts(self) -> Tensor:
        """Number of samples of each class."""
        return self.labels.bincount(minlength=self.logits.shape[1])

    @property
    def recalls(self) -> list[float | None]:
        """Recall of each class in percent; ``None`` for classes without samples."""
        right = self.labels[self.predicted == self.labels].bincount(minlength=self.logits.shape[1])
        pairs = zip(right.tolist(), self.counts.tolist(), strict=True)
        return [100 * hits / count if count else None for hits, count in pairs]

    @property
    def balanced(self) -> float:
        """Balanced accuracy in percent: the mean recall of the classes that have samples."""
        recalls = [recall for recall in self.recalls if recall is not None]
        return sum(recalls) / len(recalls)

    @property
    def macro_f1(self) -> float:
        """Macro F1 in percent: the mean of the classes that have samples."""
        size = self.logits.shape[1]
        hits = self.labels[self.predicted == self.labels].bincount(minlength=size)
        f1 = 2 * hits / (self.counts + self.predicted.bincount(minlength=size)).clamp(min=1)
        return 100 * float(f1[self.counts > 0].double().mean())

    @property
    def majority(self) -> float:
        """Share of the largest class in percent: the accuracy of always predicting that class."""
        return 100 * int(self.counts.max()) / len(self.labels)

    def summary(self) -> dict[str, Any]:
        """Return the numbers for logs."""
        recalls = self.recalls
        numbers: dict[str, Any] = {
            "loss": self.loss,
            "top1": self.top1,
            **({} if self.top5 is None else {"top5": self.top5}),
            "count": self.count,
            "interval": list(self.interval),
            "standard_error": self.error,
            "balanced": self.balanced,
            "macro_f1": self.macro_f1,
            "majority": self.majority,
            "recalls": dict(zip(self.classes, recalls, strict=True)) if self.classes else recalls,
        }
        if self.clips is not None:
            numbers |= {"video_top1": self.top1, "clips": self.clips}
        if self.clip_top1 is not None:
            numbers["clip_top1"] = self.clip_top1
        return numbers


def measured(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return loss and accuracies of samples."""
    meter = AccuracyMeter()
    meter.add(F.cross_entropy(logits, labels), logits, labels)
    return meter.result()


def together(
    logits: Tensor, labels: Tensor, indices: Tensor
) -> tuple[dict[str, float], Tensor, Tensor, Tensor]:
    """Merge samples with equal indices; return their metrics, logits, labels and indices.

    Their score is the mean of the probabilities (SDAS, section 5.2, does not state of what the mean is
    taken).
    """
    videos, place, counts = torch.unique(indices, return_inverse=True, return_counts=True)
    means = merged_logs(logits.double().log_softmax(1), place, counts).float()
    own = of_samples(labels, place, counts)
    return measured(means, own), means, own, videos
