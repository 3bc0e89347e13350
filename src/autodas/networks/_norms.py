"""How the cells of a network are normalised, in search and in training."""

from __future__ import annotations

from typing import Literal

from autodas.operations import Norms
from autodas.spaces import CellSlot, Skeleton

Form = Literal["train", "search"]
"""What a network is built for: training, or to take over the weights of a supernet."""


def cell_norms(skeleton: Skeleton, form: Form, slot: CellSlot) -> Norms:
    """Return how what stands in a slot is normalised.

    While searching nothing that is searched learns a scale: it would undo the mixing weights. Cells that are
    given (reduction cells between stage graphs) are normalised as in training, also then (H-DAS).
    """
    given = skeleton.graphs and slot.graph is None
    if form == "search" and not given:
        return Norms(affine=False, pool=skeleton.search_pool_norm)
    return given_norms(skeleton)


def given_norms(skeleton: Skeleton) -> Norms:
    """Return how cells are normalised that are not searched."""
    return Norms(affine=True, pool=skeleton.pool_norm)
