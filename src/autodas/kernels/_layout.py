"""Layout of weighted sums of normalised maps."""

from __future__ import annotations

from dataclasses import dataclass

EPSILON = 1e-5
"""Summand to the variance, as in torch's batch normalisation."""


@dataclass(frozen=True)
class Layout:
    """Layout of weighted sums of normalised maps, each sum the input of a node from one state.

    Args:
        counts: number of terms of each sum; terms are in this order.
        row: for each term the row of its moments; -1 if it is not normalised.
        factor: for each term the position of its weight among the mixing weights, flattened; no two terms
            share one. Empty if all weights are 1.
        slot: for each term the row of its slope.
    """

    counts: tuple[int, ...]
    row: tuple[int, ...]
    factor: tuple[int, ...]
    slot: tuple[int, ...]

    @property
    def place(self) -> tuple[int, ...]:
        """For each term the sum that it enters."""
        return tuple(o for o, count in enumerate(self.counts) for _ in range(count))
