"""Drop path: whole edges are dropped for single samples."""

from __future__ import annotations

from torch import Tensor


def drop_path(x: Tensor, rate: float | Tensor) -> Tensor:
    """Set whole samples to zero and scale the others so that the mean is preserved.

    Args:
        x: shape (batch, channels, ...).
        rate: probability of zero, in [0, 1); as a tensor on the device it can change in recorded iterations.
    """
    keep = 1.0 - rate
    mask = x.new_empty((x.shape[0],) + (1,) * (x.dim() - 1)).bernoulli_(keep)
    return x * (mask / keep)
