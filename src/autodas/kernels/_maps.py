"""Maps that enter weighted sums, picked from stacks, and their moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autodas.kernels._calls import places

Stack = Tensor | Sequence[Tensor]
"""Maps of shape (pixels, channels): as one contiguous tensor (maps, pixels, channels), or one by one."""


def joined(stack: Stack) -> Tensor:
    """Return the maps of a stack, which is not empty, as one tensor; a single one is not copied."""
    if isinstance(stack, Tensor):
        return stack.contiguous()
    return stack[0].contiguous()[None] if len(stack) == 1 else torch.stack(list(stack))


CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Memory format with the channels last, by the number of dimensions of a tensor."""

Moments = tuple[Tensor, Tensor]
"""Mean and biased variance of each channel, each of shape (maps, channels)."""


@dataclass(frozen=True)
class Maps:
    """Terms of weighted sums: each a map of one of two stacks.

    Args:
        index: for each term the number i of its map in ``one``, or ~i for that in ``other``.
        one: the stack of most terms.
        other: another stack; empty if no term needs it.
    """

    index: tuple[int, ...]
    one: Stack
    other: Stack = ()

    def each(self) -> list[Tensor]:
        """Return the map of each term."""
        return [self.one[i] if i >= 0 else self.other[~i] for i in self.index]

    def addresses(self) -> list[int]:
        """Return the address of each term's map."""
        one, other = places(self.one), places(self.other)
        return [one[i] if i >= 0 else other[~i] for i in self.index]
