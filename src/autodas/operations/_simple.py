"""Operations with no convolution of their own: pooling, and nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from autodas.operations._norm import batch_norm
from autodas.spaces import PoolNorm


class Pool(nn.Sequential):
    """Maximum or average over a window, then, where asked for, batch normalisation.

    The average divides by the pixels that lie inside the map (DARTS: ``count_include_pad=False``).
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
            ("avg", 3): partial(nn.AvgPool3d, count_include_pad=False),
        }
        self.pool = pools[kind, dimensions](window, step, padding)
        if norm != "none":
            self.norm = batch_norm(channels, dimensions, affine=norm == "affine")


class Zero(nn.Module):
    """No connection: zeros in the shape that the other operations give."""

    def __init__(self, stride: Sequence[int]) -> None:
        super().__init__()
        self.stride = tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros, with maps divided by the stride (rounded up)."""
        size = [-(-length // step) for length, step in zip(x.shape[2:], self.stride, strict=True)]
        return x.new_zeros((*x.shape[:2], *size))
