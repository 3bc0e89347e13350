"""Partial channels: most channels of an edge bypass its operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.errors import AutodasError


@dataclass(frozen=True)
class PartialChannels:
    r"""Computation of an edge on a part of its channels (PC-DARTS, Xu et al., 2020, section 3.2).

    The first C/K channels pass through the operation, which has that width. The others bypass it or, if the
    edge has a stride, pass through a max pool whose window is the stride. Both are concatenated, and channels
    are shuffled in K groups, channel :math:`g C/K + c` to :math:`c K + g`, so that every channel eventually
    passes through operations. Maps of odd size are rounded up, as by the operations.

    Args:
        K: 1/K of the channels pass through the operation; 1 for all of them.

    Raises:
        AutodasError: if K is below 1.
    """

    K: int = 1

    def __post_init__(self) -> None:
        if self.K < 1:
            raise AutodasError(f"partial_channels={self.K} must be at least 1")

    def split(self, x: Tensor, stride: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Return the channels for an edge's operation, and those that bypass it (``None`` if there are none).

        Args:
            x: the state, shape (batch, channels, *map).
            stride: stride of the edge, along each dimension of the map.
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
"""No channel bypasses the operation."""
