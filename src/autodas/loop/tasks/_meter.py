"""Metrics, summed over batches on the device; one look from the host an epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Meter(ABC):
    """Running sums of metrics; the last one is the number of samples.

    The sums stay where they are in memory: a recorded iteration adds to them.

    Args:
        number: how many sums there are.
        device: where batches are computed.
    """

    def __init__(self, number: int, device: torch.device | str = "cpu") -> None:
        self.sums = torch.zeros(number, dtype=torch.float64, device=device)

    @abstractmethod
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, whose loss is a mean."""

    @abstractmethod
    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the metrics of all batches by name; nothing where there were none."""

    @property
    def count(self) -> float:
        """Number of samples."""
        return float(self.sums[-1])

    def reset(self, sums: Tensor | None = None) -> None:
        """Begin again, or at other sums; raises ValueError if they are none."""
        if sums is None:
            self.sums.zero_()
        elif sums.shape != self.sums.shape or sums.dtype != self.sums.dtype:
            raise ValueError(f"{len(self.sums)} sums are expected")
        else:
            self.sums.copy_(sums)
