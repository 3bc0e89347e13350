"""Agreement of searches that differ in their seed: does a search find the same operations again?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from autodas.runs.events import Decision
from autodas.runs.reading import Run

Operations = Mapping[tuple[str, tuple[int, ...]], str]
"""Operation that was decided on each edge, by kind of cell and edge."""

DRAWS = 2000


class Agreement(NamedTuple):
    """Agreement of several seeds of one method.

    Attributes:
        share: mean share of edges on which two seeds decided for the same operation, in [0, 1].
        chance: its expectation if each seed's operations were distributed over the edges at random: what the
            frequencies of operations explain.
        p: probability of at least this share then, by a permutation test.
        seeds: number of seeds.
    """

    share: float
    chance: float
    p: float
    seeds: int

    def in_words(self) -> str:
        """Return the agreement as text."""
        return f"{self.share:.2f} (chance {self.chance:.2f}, p = {self.p:.3f})"


def decided_operations(run: Run) -> dict[tuple[str, tuple[int, ...]], str]:
    """Return the operation that a search decided for on each edge."""
    return {
        (str(event.kind), tuple(event.edge or ())): str(event.operation)
        for event in run.events_of(Decision)
        if event.what == "edge"
    }


def agreement(seeds: Sequence[Operations]) -> Agreement | None:
    """Compute the agreement of searches on the same edges; ``None`` for fewer than two, or without decisions.

    Under the hypothesis of chance a seed's operations are permuted among the edges of each kind of cell: a
    method that prefers an operation everywhere agrees with itself without having found anything.

    Args:
        seeds: the operations of each search.
    """
    edges = sorted(set.intersection(*(set(own) for own in seeds))) if seeds else []
    if len(seeds) < 2 or not edges:
        return None
    names = sorted({own[edge] for own in seeds for edge in edges})
    found = np.array([[names.index(own[edge]) for edge in edges] for own in seeds])
    kinds = [np.flatnonzero([kind == each for kind, _ in edges]) for each in sorted({k for k, _ in edges})]
    generator = np.random.default_rng(0)
    mixed = np.repeat(found[None], DRAWS, axis=0)
    for places in kinds:
        mixed[..., places] = generator.permuted(mixed[..., places], axis=-1)
    (observed,), drawn = _shares(found[None]), _shares(mixed)
    # The observed arrangement is one of the possible ones.
    p = (1 + int((drawn >= observed - 1e-12).sum())) / (DRAWS + 1)
    return Agreement(float(observed), float(drawn.mean()), p, len(seeds))


def _shares(found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the mean agreement of pairs of seeds; shape (draws, seeds, edges) to (draws,)."""
    pairs = combinations(range(found.shape[1]), 2)
    shares: np.ndarray[Any, Any] = np.mean([(found[:, a] == found[:, b]).mean(-1) for a, b in pairs], axis=0)
    return shares
