"""Evaluation: accuracy of a network on a set of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.data import Batch
from autodas.training._metrics import Meter, standard_error


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        loss: mean cross entropy.
        top1: top-1 accuracy in percent.
        top5: top-5 accuracy in percent; of the number of classes where there are fewer.
        count: number of pictures.
        logits: shape (pictures, classes), on the CPU, in the order of the loader.
        labels: shape (pictures,).
        indices: shape (pictures,), the position of each in its set.
    """

    loss: float
    top1: float
    top5: float
    count: int
    logits: Tensor
    labels: Tensor
    indices: Tensor

    @property
    def error(self) -> float:
        """Standard error of the top-1 accuracy, in points."""
        return standard_error(self.top1, self.count)

    def summary(self) -> dict[str, float]:
        """Return the numbers for logs."""
        return {
            "loss": self.loss,
            "top1": self.top1,
            "top5": self.top5,
            "count": self.count,
            "standard_error": self.error,
        }


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], batches: Iterable[Batch]) -> Evaluation:
    """Evaluate a network that is in evaluation mode.

    Args:
        forward: from pictures to logits.
        batches: what it is evaluated on.
    """
    meter: Meter | None = None
    parts = []
    for batch in batches:
        logits = forward(batch.images).float()
        meter = meter or Meter(logits.device)
        meter.add(F.cross_entropy(logits, batch.labels), logits, batch.labels)
        parts.append((logits.cpu(), batch.labels.cpu(), batch.indices.cpu()))
    assert meter is not None, "nothing to evaluate on"
    result = meter.result()
    logits, labels, indices = (torch.cat(column) for column in zip(*parts, strict=True))
    return Evaluation(result["loss"], result["top1"], result["top5"], len(labels), logits, labels, indices)
