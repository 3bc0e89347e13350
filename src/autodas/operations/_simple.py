"""Operations without convolutions: pooling and zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.kernels import needs_order, ordered_pool
from autodas.operations._norm import batch_norm
from autodas.spaces import PoolNorm


class Pool(nn.Sequential):
    """Maximum or average over a window, optionally followed by batch normalisation.

    The average divides by the number of pixels inside the map (DARTS: ``count_include_pad=False``).
    """

    def __init__(
        self, kind: str, channels: int, kernel: Sequence[int], stride: Sequence[int], norm: PoolNorm
    ) -> None:
        super().__init__()
        dimensions = len(kernel)
        window, step = tuple(kernel), tuple(stride)
        padding = tuple(k // 2 for k in kernel)
        pools: dict[tuple[str, int], Callable[..., nn.Module]] = {
            ("max", 2): nn.MaxPool2d,
            ("max", 3): nn.MaxPool3d,
            ("avg", 2): partial(nn.AvgPool2d, count_include_pad=False),
            ("avg", 3): partial(_AveragePool3d, count_include_pad=False),
        }
        self.pool = pools[kind, dimensions](window, step, padding)
        self.kind, self.window, self.stride = kind, window, step
        if norm != "none":
            self.norm = batch_norm(channels, dimensions, affine=norm == "affine")

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with the same number of channels, reduced by the stride."""
        if not needs_order(x):
            return super().forward(x)  # type: ignore[no-any-return,no-untyped-call]
        pooled = ordered_pool(x, self.kind, self.window, self.stride)
        return self.norm(pooled) if hasattr(self, "norm") else pooled


class _AveragePool3d(nn.AvgPool3d):
    """Average pool that also accepts maps smaller than a window that does not extend in time.

    Torch rejects these in three dimensions, but not in two, where the frames are images.
    """

    def forward(self, x: Tensor) -> Tensor:
        time, *window = self.kernel_size  # type: ignore[misc]
        if time > 1:
            return super().forward(x)
        (step, *stride), (_, *padding) = self.stride, self.padding  # type: ignore[misc]
        frames = x[:, :, ::step].movedim(2, 1)
        pooled = F.avg_pool2d(frames.flatten(0, 1), window, stride, padding, count_include_pad=False)
        clips: Tensor = pooled.unflatten(0, frames.shape[:2])  # type: ignore[no-untyped-call]
        return clips.movedim(1, 2)


class Zero(nn.Module):
    """No connection: zeros in the shape of the other operations' output."""

    def __init__(self, stride: Sequence[int]) -> None:
        super().__init__()
        self.stride = tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros, with maps divided by the stride (rounded up)."""
        kept: tuple[Any, ...] = (..., *(slice(None, None, step) for step in self.stride))
        return torch.zeros_like(x[kept])
