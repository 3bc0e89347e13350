"""Evaluation: accuracy of a network on a set of pictures or videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.training._metrics import Meter, standard_error


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        loss: mean cross entropy.
        top1: top-1 accuracy in percent.
        top5: top-5 accuracy in percent; of the number of classes where there are fewer.
        count: number of samples.
        logits: shape (samples, classes), on the CPU, in the order of the loader; for videos of several clips
            the logarithm of the mean of their probabilities.
        labels: shape (samples,).
        indices: shape (samples,), the position of each in its set.
        clips: how many clips were evaluated; ``None`` for images.
        clip_top1: top-1 accuracy of single clips in percent; ``None`` for images and fused networks.
    """

    loss: float
    top1: float
    top5: float
    count: int
    logits: Tensor
    labels: Tensor
    indices: Tensor
    clips: int | None = None
    clip_top1: float | None = None

    def some(self, chosen: Tensor) -> Evaluation:
        """Return the evaluation on some of the samples, bool (samples,)."""
        logits, labels = self.logits[chosen], self.labels[chosen]
        meter = Meter()
        meter.add(F.cross_entropy(logits, labels), logits, labels)
        found = meter.result()
        changed: dict[str, Any] = {name: found.get(name) for name in ("loss", "top1", "top5")}
        changed |= {"count": len(labels), "logits": logits, "labels": labels, "indices": self.indices[chosen]}
        return replace(self, clips=None, clip_top1=None, **changed)

    @property
    def error(self) -> float:
        """Standard error of the top-1 accuracy, in points."""
        return standard_error(self.top1, self.count)

    def summary(self) -> dict[str, float]:
        """Return the numbers for logs."""
        found: dict[str, float] = {
            "loss": self.loss,
            "top1": self.top1,
            "top5": self.top5,
            "count": self.count,
            "standard_error": self.error,
        }
        if self.clips is not None:
            found |= {"video_top1": self.top1, "clips": self.clips}
        if self.clip_top1 is not None:
            found["clip_top1"] = self.clip_top1
        return found


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], batches: Iterable[Batch]) -> Evaluation:
    """Evaluate a network that is in evaluation mode.

    Batches with equal indices are clips of one video: its score is the mean of their probabilities (SDAS,
    section 5.2, does not say of what the mean is taken).

    Args:
        forward: from images or clips to logits.
        batches: what it is evaluated on.
    """
    meter: Meter | None = None
    parts = []
    clips = None
    for batch in batches:
        logits = forward(batch.images).float()
        meter = meter or Meter(logits.device)
        meter.add(F.cross_entropy(logits, batch.labels), logits, batch.labels)
        parts.append((logits.cpu(), batch.labels.cpu(), batch.indices.cpu()))
        if batch.images.dim() == 5:
            clips = (clips or 0) + len(batch.labels)
    assert meter is not None, "nothing to evaluate on"
    found = meter.result()
    logits, labels, indices = (torch.cat(column) for column in zip(*parts, strict=True))
    clip_top1 = None if clips is None else found["top1"]
    if clips is not None and len(set(indices.tolist())) < clips:
        found, logits, labels, indices = _of_videos(logits, labels, indices)
    return Evaluation(
        found["loss"], found["top1"], found["top5"], len(labels), logits, labels, indices, clips, clip_top1
    )


def fuse(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation of several networks together: the mean of their probabilities (late fusion).

    Args:
        evaluations: of the same samples, in any order.

    Raises:
        AutodasError: if they are not of the same samples and classes.
    """
    first, count = evaluations[0], len(evaluations)
    orders = [evaluation.indices.argsort() for evaluation in evaluations]
    indices, labels = first.indices[orders[0]], first.labels[orders[0]]
    for other, order in zip(evaluations, orders, strict=True):
        if not (torch.equal(other.indices[order], indices) and torch.equal(other.labels[order], labels)):
            raise AutodasError(
                "the networks were evaluated on different samples, so that no scores can be fused"
            )
        classes = first.logits.shape[1], other.logits.shape[1]
        if classes[0] != classes[1]:
            raise AutodasError(
                f"the networks know {classes[0]} and {classes[1]} classes, so that no scores can be fused"
            )
    logits = torch.cat([other.logits[order] for other, order in zip(evaluations, orders, strict=True)])
    found, fused, labels, indices = _of_videos(logits, labels.repeat(count), indices.repeat(count))
    clips = None if first.clips is None else sum(e.clips or 0 for e in evaluations)
    return Evaluation(found["loss"], found["top1"], found["top5"], len(labels), fused, labels, indices, clips)


def _of_videos(
    logits: Tensor, labels: Tensor, indices: Tensor
) -> tuple[dict[str, float], Tensor, Tensor, Tensor]:
    """Return the numbers, logits, labels and indices of samples that stand there several times each."""
    videos, place, counts = torch.unique(indices, return_inverse=True, return_counts=True)
    # Relative to the largest one: probabilities may be too small for any number.
    logs = logits.double().log_softmax(1)
    lowest = logs.new_full((len(videos), logs.shape[1]), -torch.inf)
    largest = lowest.scatter_reduce(0, place[:, None].expand_as(logs), logs, "amax")
    sums = torch.zeros_like(largest).index_add_(0, place, (logs - largest[place]).exp())
    means = (largest + (sums / counts[:, None]).log()).float()
    own = torch.empty(len(videos), dtype=labels.dtype).index_copy_(0, place, labels)
    meter = Meter()
    meter.add(F.cross_entropy(means, own), means, own)
    return meter.result(), means, own, videos
