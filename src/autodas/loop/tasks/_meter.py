"""Metrics, summed over batches on the device; the host reads them once an epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Meter(ABC):
    """Running sums of metrics; the last one is the number of samples.

    The sums stay at the same memory address: a recorded iteration adds to them.

    Args:
        number: number of sums.
        device: device on which batches are computed.
    """

    def __init__(self, number: int, device: torch.device | str = "cpu") -> None:
        self.sums = torch.zeros(number, dtype=torch.float64, device=device)

    @abstractmethod
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, given its mean loss."""

    @abstractmethod
    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the metrics of all batches by name; an empty dictionary if there were none."""

    @property
    def count(self) -> float:
        """Number of samples."""
        return float(self.sums[-1])

    def reset(self, sums: Tensor | None = None) -> None:
        """Start again from zero or from given sums; raises ValueError if these are invalid."""
        if sums is None:
            self.sums.zero_()
        elif sums.shape != self.sums.shape or sums.dtype != self.sums.dtype:
            raise ValueError(f"{len(self.sums)} sums are expected")
        else:
            self.sums.copy_(sums)
