"""Small networks that people design by hand, after ResNet and MobileNetV2, for images of 32 pixels."""

from __future__ import annotations

from torch import Tensor, nn

EXPANSION = 4

FAMILIES = {
    "resnet": [(16, blocks) for blocks in range(1, 17)],
    "mobilenet": [(width, 2) for width in range(4, 65, 2)],
}
"""Channels of the first stage and blocks of a stage, from small to large networks. ResNets grow in depth:
ONNX Runtime computes their convolutions in blocks of 16 channels, and 18 take twice as long as 16."""


class HandMade(nn.Module):
    """Network of three stages, whose maps have 32, 16 and 8 pixels and whose channels double.

    Args:
        family: ``resnet``, with basic blocks (K. He and others, CVPR 2016), or ``mobilenet``, with inverted
            residual blocks (M. Sandler and others, CVPR 2018).
        width: channels of the first stage.
        blocks: blocks of a stage.
        classes: number of classes.
    """

    def __init__(self, family: str, width: int, blocks: int, classes: int = 10) -> None:
        super().__init__()
        block = {"resnet": Basic, "mobilenet": Inverted}[family]
        layers: list[nn.Module] = [convolution(3, width, 3), nn.ReLU()]
        inputs = width
        for stage in range(3):
            for number in range(blocks):
                outputs = width * 2**stage
                layers.append(block(inputs, outputs, 2 if stage and not number else 1))
                inputs = outputs
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs, batch x classes."""
        outputs: Tensor = self.head(self.body(x))
        return outputs

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, None]:
        """Return the outputs, and those of the auxiliary head that it does not have."""
        return self(x), None

    def set_drop_path(self, rate: float | Tensor) -> None:
        """Do nothing: no path is dropped."""


class Basic(nn.Module):
    """Two 3x3 convolutions beside a skip."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, outputs, 3, stride), nn.ReLU(), convolution(outputs, outputs, 3)
        )
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return nn.functional.relu(self.body(x) + self.skip(x))


class Inverted(nn.Module):
    """Expansion, depthwise 3x3 convolution, and projection, beside a skip where sizes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = EXPANSION * inputs
        self.body = nn.Sequential(
            convolution(inputs, inner, 1),
            nn.ReLU6(),
            convolution(inner, inner, 3, stride, inner),
            nn.ReLU6(),
            convolution(inner, outputs, 1),
        )
        self.skips = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        outputs: Tensor = self.body(x)
        return x + outputs if self.skips else outputs


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution and its batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))
