"""Operations on whole channels: a factor or a summand that depends on their means (SDAS, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from autodas.operations._convolutions import FactorizedReduce
from autodas.operations._norm import batch_norm

REDUCTION, NARROWEST = 16, 4
"""Ratio of the widths of the map and the hidden layer, and the minimum width of that layer."""


class ChannelOperation(nn.Module):
    r"""Common base of ``channel_scale`` and ``channel_bias``.

    With the mean :math:`\bar x` of each channel over the whole map (all frames) and
    :math:`h(\bar x) = W_2\, r(W_1 \bar x + b_1) + b_2` of ``max(channels / 16, 4)`` hidden units it is

    .. math:: B(\sigma(h(\bar x))\, x) \quad\text{(scale)}, \qquad B(x + h(\bar x)) \quad\text{(bias)}

    with batch normalisation B, which is replaced by :class:`FactorizedReduce` if there is a stride. The paper
    states which operations there are, not how they are built: we follow squeeze-and-excitation (our choice).

    Args:
        channels: number of channels of input and output.
        stride: stride along each dimension.
        affine: whether the batch normalisation learns a scale and a shift.
    """

    def __init__(self, channels: int, stride: Sequence[int], affine: bool) -> None:
        super().__init__()
        self.dimensions = len(stride)
        hidden = max(channels // REDUCTION, NARROWEST)
        self.squeeze = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.norm = (
            FactorizedReduce(channels, channels, stride, affine)
            if max(stride) > 1
            else batch_norm(channels, len(stride), affine)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with the same number of channels, reduced by the stride."""
        return self.norm(self.before_norm(x))  # type: ignore[no-any-return]

    def before_norm(self, x: Tensor) -> Tensor:
        """Return the map before it is normalised or reduced."""
        excitation = self.squeeze(x.mean(tuple(range(2, 2 + self.dimensions))))
        return self.apply_to(x, excitation[(..., *(None,) * self.dimensions)])

    def apply_to(self, x: Tensor, excitation: Tensor) -> Tensor:
        """Return the map after applying the excitation of each channel of each sample."""
        raise NotImplementedError


class ChannelScale(ChannelOperation):
    """Factor between 0 and 1 for each channel (``channel_scale``)."""

    def apply_to(self, x: Tensor, excitation: Tensor) -> Tensor:
        """Return the scaled map."""
        return x * excitation.sigmoid()


class ChannelBias(ChannelOperation):
    """Summand for each channel (``channel_bias``)."""

    def apply_to(self, x: Tensor, excitation: Tensor) -> Tensor:
        """Return the shifted map."""
        return x + excitation
