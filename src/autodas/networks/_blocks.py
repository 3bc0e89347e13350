"""Blocks that belong to the skeleton, between the stages of cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from autodas.networks._cell import CellInputs
from autodas.operations import DenseConv, convolution
from autodas.spaces import CellSlot


class ResidualBlock(nn.Module):
    """Reduction of NAS-Bench-201: two 3x3 convolutions (the first strided) with a shortcut.

    Convolutions are in the order ReLU, convolution, batch normalisation; the shortcut is an average over
    windows of the stride, then a pointwise convolution. Maps of odd size are rounded up on both paths.
    Like the stem's, its normalisation stays affine during the search (our choice).

    Args:
        slot: its position in the network.
        inputs: its inputs, of which it reads only the previous output.
    """

    def __init__(self, slot: CellSlot, inputs: CellInputs) -> None:
        super().__init__()
        self.slot = slot
        dimensions = len(slot.stride)
        kernel, ones = (3,) * dimensions, (1,) * dimensions
        channels, self.outputs = inputs.channels[1], slot.width
        self.first = DenseConv(channels, slot.width, kernel, slot.stride, affine=True)
        self.second = DenseConv(slot.width, slot.width, kernel, ones, affine=True)
        averages: dict[int, Callable[..., nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
        average = partial(averages[dimensions], ceil_mode=True, count_include_pad=False)
        self.shortcut = nn.Sequential(
            average(slot.stride, slot.stride), convolution(channels, slot.width, ones)
        )

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """Return a map of the block's width; the output before the previous one is not read."""
        return self.shortcut(previous) + self.second(self.first(previous))  # type: ignore[no-any-return]


BLOCKS: dict[str, Callable[[CellSlot, CellInputs], nn.Module]] = {"residual": ResidualBlock}
"""Factory of a block, by its kind."""
