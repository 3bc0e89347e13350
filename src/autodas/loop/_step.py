"""One gradient step: forward pass in a precision, batch in parts, loss, gradient, optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autodas.loop._descent import descended
from autodas.loop._micro_batches import micro_batches
from autodas.loop.tasks import Meter
from autodas.settings import Precision


class Losses(NamedTuple):
    """Losses and outputs of a part of a batch.

    Attributes:
        total: mean loss whose gradient is taken, including any terms added to the task's loss.
        own: mean loss of the task, for the metrics.
        outputs: outputs of the network, likewise.
    """

    total: Tensor
    own: Tensor
    outputs: Tensor


def in_precision(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes forward passes in the given precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def unreduced(outputs: Tensor) -> Tensor:
    """Return outputs in single precision; outputs in double precision are returned unchanged."""
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
    """Add the gradient of a batch, computed in parts, and return its loss.

    Args:
        losses: function from images and targets of a part to its mean losses.
        images: images (batch, channels, height, width), or clips.
        targets: target of each sample.
        parts: number of parts into which the batch is split.
        meter: sums of the metrics; ``None`` if they are not needed.
        inputs: tensors whose gradient is computed; ``None`` for all that require one.
        keep_graph: whether the parts share a computation graph above the forward pass: that of a mixture.
    """
    ends = None if inputs is None else list(inputs)
    total = torch.zeros((), device=images.device)
    split = micro_batches(images, targets, parts)
    for number, part in enumerate(split, 1):
        part_losses = losses(part.images, part.labels)
        # If no edge contributes, the loss does not depend on anything that is searched.
        if part_losses.total.requires_grad:
            more = keep_graph and number < len(split)
            torch.autograd.backward(part.share * part_losses.total, inputs=ends, retain_graph=more)
        total += part.share * part_losses.total.detach()
        if meter is not None:
            meter.add(part_losses.own.detach(), part_losses.outputs.detach(), part.labels)
        # A shared computation graph that is kept would hold this part's feature maps beside the next one's.
        del part_losses
    return total


def clipped_step(optimiser: torch.optim.Optimizer, clip: float) -> None:
    """Step by the current gradients, clipped to a maximum norm of all together; 0 for no limit.

    Clipping may leave the gradients themselves as they are.
    """
    if descended(optimiser, clip):
        return
    if clip > 0:
        nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], clip)
    optimiser.step()
