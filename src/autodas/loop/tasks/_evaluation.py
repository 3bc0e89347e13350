"""What an evaluation finds, whatever the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Evaluation(ABC):
    """What an evaluation found.

    Attributes:
        outputs: shape (samples, size of the head), on the CPU, in the order of the loader; of videos of
            several clips one row each.
        targets: of each sample.
        indices: shape (samples,), the position of each in its set.
        clips: how many clips were evaluated; ``None`` for images.
    """

    outputs: Tensor
    targets: Tensor
    indices: Tensor
    clips: int | None = None

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.targets)

    @property
    @abstractmethod
    def metrics(self) -> dict[str, float | None]:
        """The task's metrics by name; ``None`` where one says nothing here."""

    @property
    @abstractmethod
    def score(self) -> float:
        """The metric by which networks are compared, in percent."""

    @abstractmethod
    def some(self, chosen: Tensor) -> Evaluation:
        """Return the evaluation on some of the samples, bool (samples,)."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Return the numbers for logs."""
