"""Batch normalisation, and its position in the operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from autodas.spaces import PoolNorm


@dataclass(frozen=True)
class Norms:
    """Normalisation of a network's layers.

    Args:
        affine: whether batch normalisation inside cells learns a scale and a shift.
        pool: layer after a pooling operation: ``"none"``, ``"plain"`` (normalisation without scale
            and shift) or ``"affine"``.
    """

    affine: bool
    pool: PoolNorm


SEARCH_NORMS = Norms(affine=False, pool="plain")
"""The convention of DARTS during the search: a scale would undo the mixing weights."""

TRAIN_NORMS = Norms(affine=True, pool="none")
"""The convention of DARTS for training the resulting network."""


def batch_norm(channels: int, dimensions: int, affine: bool) -> nn.Module:
    """Return batch normalisation over maps of 2 or 3 dimensions.

    Without ``affine`` it does not count batches: the count only matters for a cumulative average, and a
    supernet would update a thousand of these counters in every iteration.
    """
    if affine:
        return {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dimensions](channels)
    norm = {2: _Uncounted2d, 3: _Uncounted3d}[dimensions](channels, affine=False)
    norm.num_batches_tracked = None
    return norm


class _Uncounted(nn.Module):
    """Batch normalisation without a count of batches."""

    def _load_from_state_dict(
        self, state: dict[str, Any], prefix: str, metadata: dict[str, Any], *rest: Any
    ) -> None:
        # Into a state without version, such as one from safetensors, torch would add the count again.
        super()._load_from_state_dict(state, prefix, {**metadata, "version": 2}, *rest)


class _Uncounted2d(_Uncounted, nn.BatchNorm2d):
    pass


class _Uncounted3d(_Uncounted, nn.BatchNorm3d):
    pass
