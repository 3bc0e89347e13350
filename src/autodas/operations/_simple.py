"""Operations with no convolution of their own: pooling, and nothing."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from autodas.operations._norm import PoolNorm, batch_norm


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
        if kind == "max":
            self.pool: nn.Module = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[dimensions](window, step, padding)
        else:
            self.pool = {2: nn.AvgPool2d, 3: nn.AvgPool3d}[dimensions](
                window, step, padding, count_include_pad=False
            )
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
