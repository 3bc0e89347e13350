"""Counts of batches in normalisation layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def counted_together(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Count a batch that passes through layers in this context by one operation, not one for each layer.

    On a GPU each would be a launch.

    Args:
        norms: layers in training mode, through each of which the batch passes once.
    """
    counted = [norm for norm in norms if norm.num_batches_tracked is not None]
    counts = [count for norm in counted if (count := norm.num_batches_tracked) is not None]
    for norm in counted:
        # An attribute hides the buffer from the layer, but not from the state of the network.
        vars(norm)["num_batches_tracked"] = None
    try:
        yield
    finally:
        for norm in counted:
            del vars(norm)["num_batches_tracked"]
    if counts:
        torch._foreach_add_(counts, 1)
