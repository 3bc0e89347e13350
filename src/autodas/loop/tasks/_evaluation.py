"""Result of an evaluation, for any task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from autodas.accuracy import CERTAIN


@dataclass(frozen=True, kw_only=True)
class Evaluation(ABC):
    """Result of an evaluation.

    Attributes:
        outputs: shape (samples, size of the head), on the CPU, in the order of the loader; one row for each
            video, also if several clips of it were evaluated.
        targets: target of each sample.
        indices: shape (samples,), the position of each in its set.
        clips: number of evaluated clips; ``None`` for images.
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
        """The task's metrics by name; ``None`` for those that do not apply."""

    @property
    @abstractmethod
    def score(self) -> float:
        """The metric used to compare networks, in percent."""

    @property
    def error(self) -> float | None:
        """Standard error of the score, in percentage points; ``None`` if it is unknown."""
        return None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the score, in percent: 1.96 standard errors on each side; ``None`` if unknown."""
        if self.error is None:
            return None
        return self.score - CERTAIN * self.error, min(100.0, self.score + CERTAIN * self.error)

    @abstractmethod
    def some(self, chosen: Tensor) -> Evaluation:
        """Return the evaluation on a subset of the samples, given as a mask, bool (samples,)."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Return the numbers for logs."""
