"""Convolutions of clips on GPUs without convolutions in three dimensions: frame by frame, or along time."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from autodas.kernels import over_time


def has_clip_form(convolution: Any) -> bool:
    """Return whether a convolution has this form: a window of one frame, or a depthwise one along time."""
    frames, *plane = convolution.kernel_size
    along_time = max(plane) == 1 and convolution.groups == convolution.in_channels and frames > 1
    return bool(frames == 1 or along_time)


def convolve_clip(convolution: Any, x: Tensor) -> Tensor:
    """Return a convolution without bias of a clip.

    Args:
        convolution: a convolution of three dimensions that :func:`has_clip_form`.
        x: shape (batch, channels, frames, height, width).
    """
    step, *stride = convolution.stride
    if convolution.kernel_size[0] > 1:
        rows = x[..., :: stride[0], :: stride[1]].movedim(1, -1)
        return over_time(rows, convolution.weight, step).movedim(-1, 1)
    frames = x[:, :, ::step].movedim(2, 1)
    weight = convolution.weight.squeeze(2)
    padding, dilation = convolution.padding[1:], convolution.dilation[1:]
    flat = F.conv2d(frames.flatten(0, 1), weight, None, stride, padding, dilation, convolution.groups)
    clips: Tensor = flat.unflatten(0, frames.shape[:2])  # type: ignore[no-untyped-call]
    return clips.movedim(1, 2)
