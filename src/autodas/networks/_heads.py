"""Heads of networks: the auxiliary head of DARTS, and the scale of outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autodas.operations import batch_norm, convolution

SMALLEST_MAP = 5
"""Side of the smallest map that the auxiliary head's first pool fits."""


class AuxiliaryHead(nn.Sequential):
    """Second classifier in the middle of the network, used while training.

    ReLU, 5x5 average pool, 1x1 convolution to 128, 2x2 convolution to 768, linear. The convolution to
    768 is followed by batch normalisation (P-DARTS; the first ImageNet network of DARTS has none there).
    For clips it reads the mean over frames (our choice).

    Args:
        channels: channels of its input map.
        classes: number of classes.
        size: height and width of that map, at least 5.
        stride: stride of the pool: 3 on CIFAR (8x8 maps), 2 on ImageNet (7x7 maps). Both result in 2x2;
            smaller maps get a smaller pool with the same result.
    """

    def __init__(self, channels: int, classes: int, size: int, stride: int) -> None:
        window = min(5, size - 1)
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(window, stride=min(stride, size - window), count_include_pad=False),
            convolution(channels, 128, (1, 1)),
            batch_norm(128, 2, affine=True),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            batch_norm(768, 2, affine=True),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(768, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, classes)."""
        return super().forward(x if x.dim() == 4 else x.mean(2))  # type: ignore[no-any-return,no-untyped-call]


@torch.no_grad()
def rescale_outputs(network: nn.Module, factors: Sequence[float], summands: Sequence[float]) -> None:
    """Change the outputs y of a network to ``factors * y + summands``, by its last linear layers, in place.

    Args:
        network: a discrete network: its ``classifier``, and its ``auxiliary`` head if it has one, end in a
            linear layer.
        factors: one for each output.
        summands: likewise.
    """
    auxiliary = getattr(network, "auxiliary", None)
    for layer in (network.classifier, *([] if auxiliary is None else [auxiliary[-1]])):
        assert isinstance(layer, nn.Linear)
        scale, shift = (
            torch.tensor(v, dtype=torch.float64, device=layer.weight.device) for v in (factors, summands)
        )
        layer.weight.copy_(layer.weight.double() * scale[:, None])
        layer.bias.copy_(layer.bias.double() * scale + shift)
