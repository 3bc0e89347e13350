"""What an evaluation of single-label classification finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.accuracy import standard_error, wilson_interval
from autodas.loop.tasks._accuracy_meter import AccuracyMeter
from autodas.loop.tasks._evaluation import Evaluation


@dataclass(frozen=True, kw_only=True)
class ClassEvaluation(Evaluation):
    """What an evaluation of single-label classification found.

    ``outputs`` are logits (samples, classes), for videos of several clips the logarithm of the mean of their
    probabilities; ``targets`` are labels (samples,).

    Attributes:
        loss: mean cross entropy.
        top1: top-1 accuracy in percent.
        top5: top-5 accuracy in percent; ``None`` where there are fewer than six classes.
        clip_top1: top-1 accuracy of single clips in percent; ``None`` for images and fused networks.
        classes: names of the classes, where they are known.
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
        """Return the evaluation on some of the samples, bool (samples,)."""
        logits, labels = self.logits[chosen], self.labels[chosen]
        found = measured(logits, labels)
        return replace(
            self,
            loss=found["loss"],
            top1=found["top1"],
            top5=found.get("top5"),
            outputs=logits,
            targets=labels,
            indices=self.indices[chosen],
            clips=None,
            clip_top1=None,
        )

    @property
    def error(self) -> float:
        """Standard error of the top-1 accuracy, in points."""
        return standard_error(self.top1, self.count)

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
        """Share of the samples of each class that is recognised, in percent; ``None`` where it has none."""
        right = self.labels[self.predicted == self.labels].bincount(minlength=self.logits.shape[1])
        pairs = zip(right.tolist(), self.counts.tolist(), strict=True)
        return [100 * hits / count if count else None for hits, count in pairs]

    @property
    def balanced(self) -> float:
        """Balanced accuracy in percent: the mean recall of the classes that there are samples of."""
        recalls = [recall for recall in self.recalls if recall is not None]
        return sum(recalls) / len(recalls)

    @property
    def majority(self) -> float:
        """Share of the largest class in percent: the accuracy of always saying that class."""
        return 100 * int(self.counts.max()) / len(self.labels)

    def summary(self) -> dict[str, Any]:
        """Return the numbers for logs."""
        recalls = self.recalls
        found: dict[str, Any] = {
            "loss": self.loss,
            "top1": self.top1,
            **({} if self.top5 is None else {"top5": self.top5}),
            "count": self.count,
            "interval": list(wilson_interval(self.top1, self.count)),
            "standard_error": self.error,
            "balanced": self.balanced,
            "majority": self.majority,
            "recalls": dict(zip(self.classes, recalls, strict=True)) if self.classes else recalls,
        }
        if self.clips is not None:
            found |= {"video_top1": self.top1, "clips": self.clips}
        if self.clip_top1 is not None:
            found["clip_top1"] = self.clip_top1
        return found


def measured(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return loss and accuracies of samples."""
    meter = AccuracyMeter()
    meter.add(F.cross_entropy(logits, labels), logits, labels)
    return meter.result()


def together(
    logits: Tensor, labels: Tensor, indices: Tensor
) -> tuple[dict[str, float], Tensor, Tensor, Tensor]:
    """Return the numbers, logits, labels and indices of samples that stand there several times each.

    Their score is the mean of the probabilities (SDAS, section 5.2, does not say of what the mean is taken).
    """
    videos, place, counts = torch.unique(indices, return_inverse=True, return_counts=True)
    # Relative to the largest one: probabilities may be too small for any number.
    logs = logits.double().log_softmax(1)
    lowest = logs.new_full((len(videos), logs.shape[1]), -torch.inf)
    largest = lowest.scatter_reduce(0, place[:, None].expand_as(logs), logs, "amax")
    sums = torch.zeros_like(largest).index_add_(0, place, (logs - largest[place]).exp())
    means = (largest + (sums / counts[:, None]).log()).float()
    own = torch.empty(len(videos), dtype=labels.dtype).index_copy_(0, place, labels)
    return measured(means, own), means, own, videos
