"""Layers of the hand-crafted networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autodas.operations import batch_norm, convolution


@dataclass(frozen=True)
class Layers:
    """Factory of the layers of one network.

    Args:
        temporal: whether each spatial convolution has a temporal one in parallel (the "3-D" networks).
        width: factor on the channels of the published network.
    """

    temporal: bool
    width: float

    def channels(self, published: int) -> int:
        """Return the number of channels of a layer, given the published one."""
        return max(1, round(self.width * published))

    def conv(self, inputs: int, outputs: int, side: int = 1, stride: int = 1, groups: int = 1) -> nn.Module:
        """Return a convolution over 1 x side x side, with its temporal one if side is above 1.

        Args:
            inputs, outputs: channels.
            side: height and width of the window.
            stride: along height and width; time keeps its length.
            groups: groups of channels, of both convolutions.
        """
        spatial = convolution(inputs, outputs, (1, side, side), (1, stride, stride), groups=groups)
        if side == 1 or not self.temporal:
            return spatial
        temporal = convolution(inputs, outputs, (3, 1, 1), (1, stride, stride), groups=groups)
        return Parallel(spatial, temporal)

    def conv_norm(
        self, inputs: int, outputs: int, side: int = 1, stride: int = 1, groups: int = 1
    ) -> nn.Sequential:
        """Return a convolution as in :meth:`conv`, and batch normalisation."""
        return nn.Sequential(
            self.conv(inputs, outputs, side, stride, groups), batch_norm(outputs, 3, affine=True)
        )

    def unit(
        self, inputs: int, outputs: int, side: int = 1, stride: int = 1, groups: int = 1
    ) -> nn.Sequential:
        """Return a convolution as in :meth:`conv`, batch normalisation and ReLU."""
        return self.conv_norm(inputs, outputs, side, stride, groups).append(nn.ReLU())


class Parallel(nn.Module):
    """The sum of a spatial and a temporal convolution of one input."""

    def __init__(self, spatial: nn.Module, temporal: nn.Module) -> None:
        super().__init__()
        self.spatial, self.temporal = spatial, temporal

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return self.spatial(x) + self.temporal(x)  # type: ignore[no-any-return]


class SqueezeExcite(nn.Module):
    """A factor in (0, 1) for each channel, from the means of all channels (Hu et al. 2018, section 3).

    ``x * sigmoid(W2 relu(W1 mean(x)))``, with ``channels / reduction`` hidden units. The mean is over
    time and space, so that the gate is independent of the order of frames.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.gate = nn.Sequential(
            nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the map with its channels weighted."""
        return x * self.gate(x.mean((2, 3, 4)))[:, :, None, None, None]  # type: ignore[no-any-return]


class Concatenated(nn.ModuleList):
    """Branches of one input, concatenated along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all branches, in order."""
        return torch.cat([branch(x) for branch in self], dim=1)
