"""Result of an evaluation of embeddings: retrieval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from autodas.errors import AutodasError
from autodas.loop.tasks._bootstrap import bootstrap_error
from autodas.loop.tasks._evaluation import Evaluation
from autodas.loop.tasks._retrieval import Ranks, rank

RANKS = (1, 5, 10)


@dataclass(frozen=True, kw_only=True)
class RetrievalEvaluation(Evaluation):
    """Result of an evaluation of embeddings.

    ``outputs`` are vectors (samples, dimensions), of a video the mean of those of its clips. ``targets`` are
    identity, camera and role (samples, 3), as in :func:`autodas.loop.tasks.rank`.

    Raises:
        AutodasError: when the metrics are read, if no query has anything to find.
    """

    @cached_property
    def ranks(self) -> Ranks:
        """Result of each query."""
        found = rank(self.outputs, self.targets)
        if not len(found.precisions):
            raise AutodasError(
                f"none of the {self.count} evaluated samples can be found with another one: each identity "
                "has one sample, or is seen by one camera only"
            )
        return found

    @property
    def metrics(self) -> dict[str, float | None]:
        """Mean average precision, and the share of queries with a right sample among the first k."""
        return {"map": self.score, **{f"rank{k}": 100 * float((self.ranks.firsts < k).mean()) for k in RANKS}}

    @property
    def score(self) -> float:
        """The mean average precision."""
        return 100 * float(self.ranks.precisions.mean())

    @property
    def chance(self) -> float:
        """Mean share of right samples in percent: about the mean average precision of a random order."""
        return 100 * float(self.ranks.chances.mean())

    def some(self, chosen: Tensor) -> RetrievalEvaluation:
        """Return the evaluation on a subset of the samples, given as a mask, bool (samples,)."""
        return replace(
            self,
            outputs=self.outputs[chosen],
            targets=self.targets[chosen],
            indices=self.indices[chosen],
            clips=None,
        )

    @cached_property
    def error(self) -> float | None:
        """Standard error of the mean average precision, from resamples of the queries of whole identities.

        Queries of one identity are not independent.
        """
        identities, place = np.unique(self.targets[self.ranks.places, 0].numpy(), return_inverse=True)
        counts = np.bincount(place)
        sums = np.bincount(place, self.ranks.precisions)

        def score(weights: np.ndarray) -> np.ndarray:
            means: np.ndarray = 100 * (weights @ sums) / (weights @ counts)
            return means

        return bootstrap_error(score, len(identities))

    def summary(self) -> dict[str, Any]:
        """Return the numbers for logs."""
        return {
            **self.metrics,
            "count": self.count,
            "queries": len(self.ranks.precisions),
            "identities": len(np.unique(self.targets[self.ranks.places, 0])),
            "interval": self.interval and list(self.interval),
            "standard_error": self.error,
            "chance": self.chance,
            **({} if self.clips is None else {"clips": self.clips}),
        }
