"""Check of partial channels against a skeleton."""

from __future__ import annotations

from autodas.errors import AutodasError
from autodas.operations import PartialChannels
from autodas.spaces import Skeleton


def partial_channels_for(skeleton: Skeleton, K: int) -> PartialChannels:
    """Return partial channels for all cells of a skeleton.

    Args:
        skeleton: skeleton of the network.
        K: 1/K of the channels pass through the operations; 1 for all of them.

    Raises:
        AutodasError: if the operations would not get an even number of channels everywhere (two halves of
            them are convolved separately where maps shrink); the message names the smallest valid C2.
    """
    partial = PartialChannels(K)
    if K == 1:
        return partial  # the skeleton has checked its own widths
    # The width of every cell is that of the narrowest times a power of two.
    narrowest = min(slot.width for slot in skeleton.slots())
    if narrowest % (2 * K):
        times = narrowest // skeleton.width
        smallest = next(C2 for C2 in range(8, 8 * K + 1, 8) if C2 // 4 * times % (2 * K) == 0)
        raise AutodasError(
            f"partial_channels={K} leaves an uneven part of the {narrowest} channels that nodes have at "
            f"C2={skeleton.C2}; C2 must be a multiple of {smallest}"
        )
    return partial
