"""Separable convolution over space and time (SDAS, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from autodas.operations._convolutions import convolution
from autodas.operations._norm import batch_norm
from autodas.operations._unit_function import UnitFunction, has_compiled_form


class Separable3dUnit(nn.Module):
    """ReLU, depthwise convolutions in space and in time in parallel, their sum, pointwise convolution, norm.

    Both depthwise convolutions read the same map. Parameters for a window of ``kt x ks x ks``:
    ``(ks ** 2 + kt) * channels + channels ** 2``, and ``2 * channels`` if ``affine``.

    Args:
        channels: number of channels of input and output.
        kernel: window along frames, height and width.
        stride: stride along each dimension, of both depthwise convolutions.
        dilation: dilation of the window in space. The one in time stays dense: reduced maps have 4 or 2
            frames, and a dilated one would mostly extend beyond the ends of the clip (our choice; not stated
            in the paper).
        affine: whether the batch normalisation learns a scale and a shift.
    """

    compiled = False
    """As :attr:`SeparableUnit.compiled`."""

    def __init__(
        self, channels: int, kernel: Sequence[int], stride: Sequence[int], dilation: int, affine: bool
    ) -> None:
        super().__init__()
        time, *space = kernel
        self.relu = nn.ReLU()
        self.depthwise = convolution(channels, channels, (1, *space), stride, dilation, groups=channels)
        self.temporal = convolution(channels, channels, (time, 1, 1), stride, groups=channels)
        self.pointwise = convolution(channels, channels, (1, 1, 1))
        self.norm = batch_norm(channels, 3, affine)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with the same number of channels, reduced by the stride."""
        if self.compiled and self.training and has_compiled_form(x):
            depthwise: Any = self.depthwise
            weights = (depthwise.weight, self.pointwise.weight, self.temporal.weight)
            x = UnitFunction.apply(x, depthwise.stride, max(depthwise.dilation), *weights)  # type: ignore[no-untyped-call]
            return self.norm(x)  # type: ignore[no-any-return]
        x = self.relu(x)
        return self.norm(self.pointwise(self.depthwise(x) + self.temporal(x)))  # type: ignore[no-any-return]


class Separable3dConv(nn.Sequential):
    """Two such units, the first of which has the stride (``sep3d_conv``)."""

    def __init__(self, channels: int, kernel: Sequence[int], stride: Sequence[int], affine: bool) -> None:
        super().__init__(
            Separable3dUnit(channels, kernel, stride, 1, affine),
            Separable3dUnit(channels, kernel, (1, 1, 1), 1, affine),
        )
