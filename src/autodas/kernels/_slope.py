"""Gradient of maps before their normalisation."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.kernels._gpu import gpu_form
from autodas.kernels._unit import Slope


def gradient_of(out: Tensor, slope: Slope) -> Tensor:
    """Return the gradient that a slope describes as one tensor.

    Args:
        out: the maps, shape (maps, pixels, channels).
        slope: their slope.
    """
    accelerated = gpu_form(out)
    if accelerated is not None:
        return accelerated.gradient_of(out, slope)  # type: ignore[no-any-return]
    arrived = torch.stack(slope.upstream.each()).to(slope.a.dtype)
    gradient = torch.addcmul(slope.d[:, None], arrived, slope.a[:, None])
    return torch.addcmul(gradient, out.to(slope.a.dtype), slope.b[:, None]).to(out.dtype)
