"""One gradient step: forward in a precision, a batch in parts, the loss, the gradient, the optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autodas.loop._micro_batches import micro_batches
from autodas.loop.tasks import Meter
from autodas.settings import Precision


class Losses(NamedTuple):
    """What a part of a batch gives.

    Attributes:
        total: the mean loss whose gradient is taken, with whatever is added to the task's.
        own: the task's mean loss, for the metrics.
        outputs: of the network, likewise.
    """

    total: Tensor
    own: Tensor
    outputs: Tensor


def in_precision(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which forward passes are computed in a precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def unreduced(outputs: Tensor) -> Tensor:
    """Return outputs in single precision; in double precision they stay as they are."""
    return outputs if outputs.dtype == torch.float64 else outputs.float()


def add_gradient(
    losses: Callable[[Tensor, Tensor], Losses],
    images: Tensor,
    targets: Tensor,
    parts: int,
    *,
    meter: Meter | None = None,
    inputs: Iterable[Tensor] | None = None,
    keep_graph: bool = False,
) -> Tensor:
    """Add the gradient of a batch, computed in parts; return its loss.

    Args:
        losses: from images and targets of a part to its mean losses.
        images: shape (batch, channels, height, width), or of clips.
        targets: of each sample.
        parts: how many the batch is split into.
        meter: sums up the metrics; ``None`` where nobody looks at them.
        inputs: what the gradient is added to; ``None`` for all that requires one.
        keep_graph: whether the parts share a graph that begins above the forward pass: that of a mixture.
    """
    ends = None if inputs is None else list(inputs)
    total = torch.zeros((), device=images.device)
    split = micro_batches(images, targets, parts)
    for number, part in enumerate(split, 1):
        found = losses(part.images, part.labels)
        # Where no edge carries anything, nothing that is searched reaches the loss.
        if found.total.requires_grad:
            more = keep_graph and number < len(split)
            torch.autograd.backward(part.share * found.total, inputs=ends, retain_graph=more)
        total += part.share * found.total.detach()
        if meter is not None:
            meter.add(found.own.detach(), found.outputs.detach(), part.labels)
        # What a shared graph is kept for would hold this part's maps beside the next one's.
        del found
    return total


def clipped_step(optimiser: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], clip: float) -> None:
    """Step by the gradient that is there, which has at most a certain norm; 0 for no limit."""
    if clip > 0:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimiser.step()
