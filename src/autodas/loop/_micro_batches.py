"""Gradient steps over parts of a batch, one after the other: the same gradient in less memory."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from autodas.errors import AutodasError


class MicroBatch(NamedTuple):
    """A part of a batch.

    Attributes:
        images: shape (part, channels, height, width).
        labels: shape (part,).
        share: fraction of the batch's samples that it holds, the weight of its mean loss.
    """

    images: Tensor
    labels: Tensor
    share: float


def micro_batches(images: Tensor, labels: Tensor, count: int) -> list[MicroBatch]:
    r"""Split a batch.

    With the mean losses :math:`\ell_m` of the parts and their sizes :math:`B_m` the loss of the batch is
    :math:`\sum_m (B_m / B)\, \ell_m`, and likewise its gradient. Batch normalisation sees one part at a time.

    Args:
        images: shape (batch, channels, height, width).
        labels: shape (batch,).
        count: number of parts, whose sizes differ by at most one; fewer if a part would have a single sample,
            as in the smaller last batch of an epoch.
    """
    count = max(1, min(count, len(labels) // 2))
    parts = zip(images.tensor_split(count), labels.tensor_split(count), strict=True)
    return [MicroBatch(x, y, len(y) / len(labels)) for x, y in parts]


def check_micro_batches(count: int, batch_size: int, processes: int = 1) -> None:
    """Check that a batch can be split: batch normalisation needs two samples in each part.

    Args:
        count: number of parts in which each process computes its own.
        batch_size: number of samples in a full batch.
        processes: number of processes that share it.

    Raises:
        AutodasError: if it cannot be split.
    """
    if count < 1:
        raise AutodasError(f"micro_batches={count} must be at least 1")
    if processes > 1 and 2 * processes > batch_size:
        raise AutodasError(
            f"{processes} processes cannot share batches of {batch_size} samples: batch normalisation needs "
            f"two in each part; start at most {max(1, batch_size // 2)}, or set a larger `batch_size`"
        )
    most = batch_size // processes // 2
    if count > 1 and count > most:
        share = "" if processes == 1 else f" shared by {processes} processes"
        raise AutodasError(
            f"micro_batches={count} is too large for batches of {batch_size} samples{share}: batch "
            f"normalisation needs two in each part; set micro_batches to at most {max(1, most)}"
        )
