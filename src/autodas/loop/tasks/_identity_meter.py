"""Loss and identity accuracy while embeddings are trained, summed over batches on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.loop.tasks._meter import Meter


class IdentityMeter(Meter):
    """Running sums of loss, right identities and samples.

    Args:
        dimensions: number of the first outputs, which are the embedding; the others are logits of identities.
        device: device on which batches are computed.
    """

    def __init__(self, dimensions: int, device: torch.device | str = "cpu") -> None:
        super().__init__(3, device)
        self.dimensions = dimensions

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, given its mean loss."""
        count = torch.full((), float(len(targets)), dtype=torch.float64, device=self.sums.device)
        logits, hits = outputs[:, self.dimensions :], torch.zeros_like(count)
        if logits.shape[1]:
            hits = (logits.argmax(1) == targets[:, 0]).sum()
        self.sums += torch.stack([loss.double() * count, hits.double(), count])

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the mean loss, and the accuracy of identities in percent."""
        loss, hits, count = self.sums.tolist()
        return {f"{prefix}loss": loss / count, f"{prefix}identities": 100 * hits / count} if count else {}
