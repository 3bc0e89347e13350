"""Partial channels: most channels of an edge go past its operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.errors import AutodasError


@dataclass(frozen=True)
class PartialChannels:
    r"""How an edge is computed on a part of its channels (PC-DARTS, Xu et al., 2020, section 3.2).

    The first C/K channels go through the operation, which is that narrow. The others go past it; where the
    edge has a stride, through a max pool whose window is the stride. Both are concatenated, and channels
    are shuffled in K groups, channel :math:`g C/K + c` to :math:`c K + g`, so that every channel meets
    operations sooner or later. Maps of odd size are rounded up, as by the operations.

    Args:
        K: one channel in K goes through the operation; 1 leaves edges as they are.

    Raises:
        AutodasError: if K is below 1.
    """

    K: int = 1

    def __post_init__(self) -> None:
        if self.K < 1:
            raise AutodasError(f"partial_channels={self.K} must be at least 1")

    def split(self, x: Tensor, stride: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Return what goes through the operation of an edge and what goes past it (``None``: nothing does).

        Args:
            x: the state, shape (batch, channels, *map).
            stride: of the edge, along each dimension of the map.
        """
        if self.K == 1:
            return x, None
        width = x.shape[1] // self.K
        through, past = torch.split(x, [width, x.shape[1] - width], dim=1)
        if max(stride) > 1:
            pool = {2: F.max_pool2d, 3: F.max_pool3d}[len(stride)]
            past = pool(past, tuple(stride), tuple(stride), ceil_mode=True)
        return through, past

    def merge(self, through: Tensor, past: Tensor | None) -> Tensor:
        """Return both parts as one map, shuffled.

        It is linear, so that a node may sum the parts of its edges before it merges them.
        """
        if past is None:
            return through
        groups = [through, *past.chunk(self.K - 1, dim=1)]
        # Stacked behind the channels: one copy concatenates, shuffles and keeps the channels last.
        return torch.stack([g.movedim(1, -1) for g in groups], dim=-1).flatten(-2).movedim(-1, 1)


ALL_CHANNELS = PartialChannels()
"""Nothing goes past."""
