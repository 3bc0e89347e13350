"""Loss and F1 of several labels, summed over batches on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.loop.tasks._meter import Meter


class LabelMeter(Meter):
    """Running sums of loss, right, predicted and true labels, and samples; thresholds are 1/2."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__(4, device)

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, given its mean loss."""
        count = torch.full((), float(len(targets)), dtype=torch.float64, device=self.sums.device)
        predicted, labels = outputs >= 0, targets > 0
        hits, both = (predicted & labels).sum(), predicted.sum() + labels.sum()
        self.sums += torch.stack([loss.double() * count, hits.double(), both.double(), count])

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the mean loss, and the F1 of all labels together in percent."""
        loss, hits, both, count = self.sums.tolist()
        if count == 0:
            return {}
        return {f"{prefix}loss": loss / count, f"{prefix}micro_f1": 200 * hits / max(1.0, both)}
