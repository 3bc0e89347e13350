"""ResNet, ResNeXt and SENet: stages of bottleneck blocks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from autodas.networks.handcrafted._layers import Layers, SqueezeExcite


class Bottleneck(nn.Module):
    """Three convolutions with a shortcut around them (He et al. 2016, figure 5).

    The stride is in the first of them, as published.

    Args:
        layers: factory of its layers.
        inputs, inner, outputs: channels before, within and after.
        stride: along height and width.
        groups: groups of the middle convolution (ResNeXt, Xie et al. 2017).
        squeeze: whether a squeeze-and-excitation gate ends the branch (SENet, Hu et al. 2018).
    """

    def __init__(
        self,
        layers: Layers,
        inputs: int,
        inner: int,
        outputs: int,
        stride: int,
        groups: int,
        squeeze: bool,
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            layers.unit(inputs, inner, stride=stride),
            layers.unit(inner, inner, side=3, groups=groups),
            layers.conv_norm(inner, outputs),
        )
        if squeeze:
            self.branch.append(SqueezeExcite(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else layers.conv_norm(inputs, outputs, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ReLU of the sum of branch and shortcut."""
        return F.relu(self.shortcut(x) + self.branch(x))


def resnet_stages(
    layers: Layers,
    channels: int,
    blocks: tuple[int, int, int, int],
    cardinality: int = 0,
    squeeze: bool = False,
) -> tuple[list[nn.Module], int]:
    """Return the five stages of a residual network, and its number of features.

    Args:
        layers: factory of the layers.
        channels: channels of the clip.
        blocks: number of blocks in stages 2 to 5: 3, 4, 6, 3 for 50 layers and 3, 4, 23, 3 for 101.
        cardinality: groups of the middle convolutions, each 4 channels wide in stage 2 (ResNeXt 32x4d); 0 for
            none. With fewer channels there are fewer groups, so that a group keeps its width.
        squeeze: whether the blocks are gated.
    """
    outputs = layers.channels(64)
    stages: list[nn.Module] = [layers.unit(channels, outputs, side=7, stride=2)]
    groups = layers.channels(cardinality) if cardinality else 1
    first_inner = 4 * groups if cardinality else layers.channels(64)
    for stage, count in enumerate(blocks):
        inputs, outputs = outputs, layers.channels(256 * 2**stage)
        inner = first_inner * 2**stage
        stages.append(
            nn.Sequential(
                *(
                    Bottleneck(
                        layers,
                        inputs if block == 0 else outputs,
                        inner,
                        outputs,
                        stride=2 if block == 0 and stage > 0 else 1,
                        groups=groups,
                        squeeze=squeeze,
                    )
                    for block in range(count)
                )
            )
        )
    return stages, outputs
