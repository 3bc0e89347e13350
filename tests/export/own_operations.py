"""Operations of a user for which exports fail or lie."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Bessel(nn.Module):
    """Without a form in ONNX."""

    def __init__(self, channels: int, stride: Any, norms: Any) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.special.bessel_j0(x)
        return y[..., :: self.stride[-2], :: self.stride[-1]]


class Branching(Bessel):
    """Without a graph: what it computes depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return (x if float(x.sum()) > 0 else -x)[..., :: self.stride[-2], :: self.stride[-1]]


class Lying(Bessel):
    """Another function in an export."""

    def forward(self, x: Tensor) -> Tensor:
        factor = 2.0 if torch.compiler.is_exporting() else 1.0
        return factor * x[..., :: self.stride[-2], :: self.stride[-1]]
