"""Loss and accuracy, summed over batches on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.accuracy import CLASSES_OF_TOP5
from autodas.loop.tasks._meter import Meter


def correct_in_top(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return whether the label of each sample is among its k largest logits; shape (batch,), bool."""
    k = min(k, logits.shape[1])
    return (logits.topk(k, dim=1).indices == labels[:, None]).any(1)


class AccuracyMeter(Meter):
    """Running sums of loss, top-1 and top-5 hits and samples."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__(4, device)
        self.has_top5 = True

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, given its mean loss."""
        self.has_top5 = outputs.shape[1] >= CLASSES_OF_TOP5
        count = torch.full((), float(len(targets)), dtype=torch.float64, device=self.sums.device)
        top1 = correct_in_top(outputs, targets, 1).sum()
        top5 = correct_in_top(outputs, targets, 5).sum()
        self.sums += torch.stack([loss.double() * count, top1.double(), top5.double(), count])

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the mean loss, top-1 accuracy and, from six classes on, top-5 accuracy, in percent."""
        loss, top1, top5, count = self.sums.tolist()
        if count == 0:
            return {}
        metrics = {f"{prefix}loss": loss / count, f"{prefix}top1": 100 * top1 / count}
        return metrics | {f"{prefix}top5": 100 * top5 / count} if self.has_top5 else metrics
