"""Evaluations of clips of one video, or of several networks, as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.loop.tasks._evaluation import Evaluation

E = TypeVar("E", bound=Evaluation)


def several_clips(indices: Tensor, clips: int | None) -> bool:
    """Return whether some videos have several of the evaluated clips; ``clips`` is ``None`` for images."""
    return clips is not None and len(set(indices.tolist())) < clips


def merged_logs(logs: Tensor, place: Tensor, counts: Tensor) -> Tensor:
    """Return the logarithms of the mean probabilities of samples, double (samples, K).

    Args:
        logs: logarithms of probabilities, double (clips, K).
        place: the sample of each clip, int64 (clips,).
        counts: number of clips of each sample, int64 (samples,).
    """
    # Relative to the largest one: probabilities may underflow.
    lowest = logs.new_full((len(counts), logs.shape[1]), -torch.inf)
    largest = lowest.scatter_reduce(0, place[:, None].expand_as(logs), logs, "amax")
    sums = torch.zeros_like(largest).index_add_(0, place, (logs - largest[place]).exp())
    return largest + (sums / counts[:, None]).log()


def of_samples(values: Tensor, place: Tensor, counts: Tensor) -> Tensor:
    """Return the value that all clips of a sample share, (samples, ...), from those of clips (clips, ...)."""
    own = torch.empty((len(counts), *values.shape[1:]), dtype=values.dtype)
    return own.index_copy_(0, place, values)


def in_one_order(evaluations: Sequence[E]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs, targets and indices of several networks on the same samples, one after the other.

    Raises:
        AutodasError: if the samples, or the sizes of the heads, differ.
    """
    first = evaluations[0]
    orders = [evaluation.indices.argsort() for evaluation in evaluations]
    indices, targets = first.indices[orders[0]], first.targets[orders[0]]
    for other, order in zip(evaluations, orders, strict=True):
        if not (torch.equal(other.indices[order], indices) and torch.equal(other.targets[order], targets)):
            raise AutodasError(
                "the networks were evaluated on different samples: their scores cannot be fused"
            )
        sizes = first.outputs.shape[1], other.outputs.shape[1]
        if sizes[0] != sizes[1]:
            raise AutodasError(
                f"the networks know {sizes[0]} and {sizes[1]} classes: their scores cannot be fused"
            )
    count = len(evaluations)
    outputs = torch.cat([other.outputs[order] for other, order in zip(evaluations, orders, strict=True)])
    return outputs, torch.cat([targets] * count), indices.repeat(count)


def clips_together(evaluations: Sequence[Evaluation]) -> int | None:
    """Return the number of clips of all networks; ``None`` for images."""
    return None if evaluations[0].clips is None else sum(each.clips or 0 for each in evaluations)
