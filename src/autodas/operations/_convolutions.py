"""Convolutions in the order ReLU, convolution, batch normalisation; for 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.kernels import on_gpu
from autodas.operations._clip_convolutions import convolve_clip, has_clip_form
from autodas.operations._norm import batch_norm
from autodas.operations._unit_function import UnitFunction, has_compiled_form


def convolution(
    inputs: int,
    outputs: int,
    kernel: Sequence[int],
    stride: Sequence[int] | None = None,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d | nn.Conv3d:
    """Return a convolution without bias, padded such that the size of the map is kept (at stride 1).

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: window along each dimension, odd; its length is the number of dimensions.
        stride: stride along each dimension, 1 by default.
        dilation: distance between the taps of windows wider than 1.
        groups: groups of channels; ``inputs`` makes the convolution depthwise.
    """
    kinds = _DENSE
    if groups == inputs > 1:
        kinds = _DEPTHWISE
    elif stride is not None and max(kernel) == 1 < max(stride):
        kinds = _STRIDED_POINTWISE
    spread = tuple(dilation if k > 1 else 1 for k in kernel)
    return kinds[len(kernel)](
        inputs,
        outputs,
        tuple(kernel),
        stride=tuple(stride) if stride is not None else 1,
        padding=tuple(d * (k // 2) for k, d in zip(kernel, spread, strict=True)),
        dilation=spread,
        groups=groups,
        bias=False,
    )


class _DepthwiseConvolution:
    """Depthwise convolution that computes in single precision on CPUs, even if bf16 is requested.

    On processors with ``avx512_bf16`` the gradient of dilated depthwise convolutions is wrong in bf16 from
    maps of 32 pixels on: the error of the weights' gradient is larger than the gradient. Without dilation
    bf16 saves no time.
    """

    def forward(self: Any, x: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu") or x.device.type != "cpu":
            return self._conv_forward(x, self.weight, self.bias)  # type: ignore[no-any-return]
        with torch.autocast("cpu", enabled=False):
            return self._conv_forward(x.float(), self.weight, self.bias)  # type: ignore[no-any-return]


class DepthwiseConv2d(_DepthwiseConvolution, nn.Conv2d):
    """Depthwise convolution of images."""


class _ClipConvolution:
    """Convolution of clips that GPUs compute in another form, if there is one."""

    def forward(self: Any, x: Tensor) -> Tensor:
        if on_gpu(x) and has_clip_form(self):
            return convolve_clip(self, x)
        return super().forward(x)  # type: ignore[misc,no-any-return]


class DenseConv3d(_ClipConvolution, nn.Conv3d):
    """Dense convolution of clips."""


class DepthwiseConv3d(_ClipConvolution, _DepthwiseConvolution, nn.Conv3d):
    """Depthwise convolution of clips."""


class _StridedPointwiseConvolution:
    """Pointwise convolution that skips the pixels between its strides before it computes.

    On processors with AVX2 and without AVX-512, torch's own (seen in 2.13) writes outside of its memory
    when computing the gradient of the weights, if the stride passes over the end of a row.
    """

    def forward(self: Any, x: Tensor) -> Tensor:
        kept: tuple[Any, ...] = (..., *(slice(None, None, step) for step in self.stride))
        compute = F.conv2d if len(self.stride) == 2 else F.conv3d
        return compute(x[kept], self.weight, self.bias, groups=self.groups)


class StridedPointwiseConv2d(_StridedPointwiseConvolution, nn.Conv2d):
    """Strided pointwise convolution of images."""


class StridedPointwiseConv3d(_ClipConvolution, _StridedPointwiseConvolution, nn.Conv3d):
    """Strided pointwise convolution of clips."""


_DENSE: dict[int, Callable[..., nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: DenseConv3d}
_DEPTHWISE: dict[int, Callable[..., nn.Conv2d | nn.Conv3d]] = {2: DepthwiseConv2d, 3: DepthwiseConv3d}
_STRIDED_POINTWISE: dict[int, Callable[..., nn.Conv2d | nn.Conv3d]] = {
    2: StridedPointwiseConv2d,
    3: StridedPointwiseConv3d,
}


class ReLUConvNorm(nn.Sequential):
    """ReLU, pointwise convolution, batch normalisation: projects a state to the width of a cell."""

    def __init__(self, inputs: int, outputs: int, dimensions: int, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = convolution(inputs, outputs, (1,) * dimensions)
        self.norm = batch_norm(outputs, dimensions, affine)


class DenseConv(nn.Sequential):
    """ReLU, dense convolution, batch normalisation (``nor_conv``).

    Parameters: ``prod(kernel) * inputs * outputs``, and ``2 * outputs`` if ``affine``.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int], affine: bool
    ) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = convolution(inputs, outputs, kernel, stride)
        self.norm = batch_norm(outputs, len(kernel), affine)


class SeparableUnit(nn.Sequential):
    """ReLU, depthwise convolution, pointwise convolution, batch normalisation.

    Parameters: ``channels * prod(kernel) + channels ** 2``, and ``2 * channels`` if ``affine``.
    """

    compiled = False
    """Whether ReLU and both convolutions are one function of our own kernels while training."""

    def __init__(
        self, channels: int, kernel: Sequence[int], stride: Sequence[int], dilation: int, affine: bool
    ) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.depthwise = convolution(channels, channels, kernel, stride, dilation, groups=channels)
        self.pointwise = convolution(channels, channels, (1,) * len(kernel))
        self.norm = batch_norm(channels, len(kernel), affine)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with the same number of channels, reduced by the stride."""
        if not (self.compiled and self.training and has_compiled_form(x)):
            return super().forward(x)  # type: ignore[no-any-return,no-untyped-call]
        depthwise: Any = self.depthwise
        weights = (depthwise.weight, self.pointwise.weight)
        x = UnitFunction.apply(x, depthwise.stride, max(depthwise.dilation), *weights)  # type: ignore[no-untyped-call]
        return self.norm(x)  # type: ignore[no-any-return]


class SeparableConv(nn.Sequential):
    """Two separable units, the first of which has the stride (``sep_conv``)."""

    def __init__(self, channels: int, kernel: Sequence[int], stride: Sequence[int], affine: bool) -> None:
        ones = (1,) * len(kernel)
        super().__init__(
            SeparableUnit(channels, kernel, stride, 1, affine),
            SeparableUnit(channels, kernel, ones, 1, affine),
        )


class FactorizedConv(nn.Sequential):
    """ReLU, dense 1 x k convolution, dense k x 1 convolution, batch normalisation (``conv_7x1_1x7``).

    Parameters for k = 7: ``14 * channels ** 2``, and ``2 * channels`` if ``affine``.
    """

    def __init__(self, channels: int, window: int, stride: Sequence[int], affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.row = convolution(channels, channels, (1, window), (1, stride[1]))
        self.column = convolution(channels, channels, (window, 1), (stride[0], 1))
        self.norm = batch_norm(channels, 2, affine)


def _may_be_odd(size: Any) -> bool:
    """Return whether a size is odd or, while a network is traced for any size, unknown."""
    return not isinstance(size, int) or size % 2 == 1


class FactorizedReduce(nn.Module):
    """Reduction of a map that uses all pixels: two strided pointwise convolutions in parallel.

    The second one reads the map shifted by one pixel. A map of odd height or width is padded by one at
    the far edge before the shift, so that both halves have the same size. In three dimensions the shift is
    in space only: both halves use the same frames, otherwise networks without temporal windows would
    depend on the order of frames.

    Args:
        inputs: channels of the input.
        outputs: channels of the output, even.
        stride: stride along each dimension, 1 or 2; the last two are space.
        affine: whether the batch normalisation learns a scale and a shift.
    """

    def __init__(self, inputs: int, outputs: int, stride: Sequence[int], affine: bool) -> None:
        super().__init__()
        dimensions = len(stride)
        self.stride = tuple(stride)
        self.relu = nn.ReLU()
        self.straight = convolution(inputs, outputs // 2, (1,) * dimensions, stride)
        self.shifted = convolution(inputs, outputs // 2, (1,) * dimensions, stride)
        self.norm = batch_norm(outputs, dimensions, affine)

    def shift(self, x: Tensor) -> Tensor:
        """Return the input map of the second convolution."""
        rows, columns = (int(s > 1) for s in self.stride[-2:])
        # Where no padding is needed, the stride skips it.
        if (rows and _may_be_odd(x.shape[-2])) or (columns and _may_be_odd(x.shape[-1])):
            x = F.pad(x, (0, columns, 0, rows))
        return x[..., rows:, columns:]

    def forward(self, x: Tensor) -> Tensor:
        """Reduce ``(batch, inputs, ...)`` to ``(batch, outputs, ...)`` with maps divided by the stride."""
        x = self.relu(x)
        y = torch.cat([self.straight(x), self.shifted(self.shift(x))], dim=1)
        return self.norm(y)  # type: ignore[no-any-return]
