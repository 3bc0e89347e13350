"""Normalisation of a network's cells, in search and in training."""

from __future__ import annotations

from typing import Literal

from autodas.operations import Norms
from autodas.spaces import CellSlot, Skeleton

Form = Literal["train", "search"]
"""Purpose of a network: training, or copying the weights of a supernet."""


def cell_norms(skeleton: Skeleton, form: Form, slot: CellSlot) -> Norms:
    """Return how the layers of a slot are normalised.

    During the search no searched layer learns a scale: it would undo the mixing weights. Given cells
    (reduction cells between stage graphs) are normalised as in training even then (H-DAS).
    """
    given = skeleton.graphs and slot.graph is None
    if form == "search" and not given:
        return Norms(affine=False, pool=skeleton.search_pool_norm)
    return given_norms(skeleton)


def given_norms(skeleton: Skeleton) -> Norms:
    """Return how cells that are not searched are normalised."""
    return Norms(affine=True, pool=skeleton.pool_norm)
