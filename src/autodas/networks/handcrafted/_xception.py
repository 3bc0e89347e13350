"""Xception: stages of separable convolutions (Chollet 2017, figure 5)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from autodas.networks.handcrafted._layers import Layers


def separable(layers: Layers, inputs: int, outputs: int) -> nn.Sequential:
    """Return a depthwise 3x3 convolution, a pointwise one and batch normalisation.

    There is no activation between the two. A temporal convolution in parallel to the depthwise one is
    depthwise, too.
    """
    depthwise = layers.conv(inputs, inputs, side=3, groups=inputs)
    return nn.Sequential(depthwise, *layers.conv_norm(inputs, outputs))


class SeparableBlock(nn.Module):
    """Separable convolutions, each after a ReLU, with a shortcut around them.

    Args:
        layers: factory of its layers.
        channels: channels of the input and of each convolution's output.
        stride: stride along height and width: of a 3x3 max pool at the end, and of the shortcut.
    """

    def __init__(self, layers: Layers, channels: tuple[int, ...], stride: int = 1) -> None:
        super().__init__()
        self.branch = nn.Sequential()
        for inputs, outputs in pairwise(channels):
            self.branch.append(nn.ReLU()).append(separable(layers, inputs, outputs))
        if stride > 1:
            self.branch.append(nn.MaxPool3d((1, 3, 3), (1, stride, stride), (0, 1, 1)))
        same = channels[0] == channels[-1] and stride == 1
        self.shortcut = nn.Identity() if same else layers.conv_norm(channels[0], channels[-1], stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of branch and shortcut."""
        return self.shortcut(x) + self.branch(x)  # type: ignore[no-any-return]


def xception_stages(layers: Layers, channels: int) -> tuple[list[nn.Module], int]:
    """Return the five stages of Xception, and its number of features.

    The first of the published blocks has stride 2; here it is in stage 2, without stride.
    """
    c32, c64, c128, c256, c728, c1024, c1536, c2048 = map(
        layers.channels, (32, 64, 128, 256, 728, 1024, 1536, 2048)
    )
    middle = (SeparableBlock(layers, (c728,) * 4) for _ in range(8))
    return [
        nn.Sequential(layers.unit(channels, c32, side=3, stride=2), layers.unit(c32, c64, side=3)),
        SeparableBlock(layers, (c64, c128, c128)),
        SeparableBlock(layers, (c128, c256, c256), stride=2),
        nn.Sequential(SeparableBlock(layers, (c256, c728, c728), stride=2), *middle),
        nn.Sequential(
            SeparableBlock(layers, (c728, c728, c1024), stride=2),
            *(separable(layers, c1024, c1536), nn.ReLU()),
            *(separable(layers, c1536, c2048), nn.ReLU()),
        ),
    ], c2048
