"""Batch normalisation, and where it stands in the operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

PoolNorm = Literal["none", "plain", "affine"]


@dataclass(frozen=True)
class Norms:
    """How the layers of a network are normalised.

    Args:
        affine: whether batch normalisation inside cells learns a scale and a shift.
        pool: what follows a pooling operation: ``"none"``, ``"plain"`` (normalisation without scale
            and shift) or ``"affine"``.
    """

    affine: bool
    pool: PoolNorm


SEARCH_NORMS = Norms(affine=False, pool="plain")
"""The convention of DARTS while searching: the scale would undo the mixing weights."""

TRAIN_NORMS = Norms(affine=True, pool="none")
"""The convention of DARTS when the network that was found is trained."""


def batch_norm(channels: int, dimensions: int, affine: bool) -> nn.Module:
    """Return batch normalisation over maps of 2 or 3 dimensions.

    Without ``affine`` the count of batches is left out: it matters only to a cumulative average, and a
    supernet would update a thousand of these counters in every iteration.
    """
    kind = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dimensions]
    norm = kind(channels, affine=affine)
    if not affine:
        norm.num_batches_tracked = None
    return norm
