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


class IdentityHead(nn.Module):
    """Head that trains an embedding: beside it, logits of identities.

    The embedding is normalised (batch normalisation) before a linear layer without bias gives the logits, and
    in evaluation (Luo et al. 2019, "bag of tricks"): the triplet loss reads it before.

    Args:
        embedding: linear layer that gives the embedding.
        identities: number of identities.
    """

    def __init__(self, embedding: nn.Linear, identities: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.norm = nn.BatchNorm1d(embedding.out_features)
        self.identities = nn.Linear(embedding.out_features, identities, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the embedding and logits in training, otherwise the normalised embedding, (batch, D)."""
        embedding = self.embedding(features)
        normalised: Tensor = self.norm(embedding)
        if not self.training:
            return normalised
        return torch.cat([embedding, self.identities(normalised)], dim=1)

    def scale_and_shift(self) -> tuple[list[float], list[float]]:
        """Return the normalisation of evaluations as factors and summands."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        return scale.tolist(), shift.tolist()


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
