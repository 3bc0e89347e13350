"""State that each process of a run has for itself: running statistics, metrics, random numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from autodas.loop._group import Group
from autodas.loop.tasks import Meter

OWN = "own"
"""Entry of a loop's state with the own state of this process."""

OTHERS = "others"
"""Entry of a checkpoint with the own states of all processes but the first, whose state is that of the run.
"""


def own_state(module: nn.Module, meters: Sequence[Meter]) -> dict[str, Any]:
    """Return the state that this process has for itself, without random numbers.

    Args:
        module: the network; all but its running statistics is the same in all processes.
        meters: metrics of the samples of this process.
    """
    return {"statistics": dict(module.named_buffers()), "meters": [meter.sums for meter in meters]}


@torch.no_grad()
def load_own_state(
    state: Mapping[str, Any], module: nn.Module, meters: Sequence[Meter], group: Group
) -> None:
    """Load this process's own state from a checkpoint; that of the first process has been loaded already.

    With another number of processes than before, new ones begin with the statistics of the first and without
    samples, and the first one takes over the samples of those that are missing.

    Args:
        state: state of the checkpoint.
        module: the network.
        meters: metrics of the samples of this process.
        group: the processes.

    Raises:
        ValueError: if the state is damaged.
        KeyError: likewise.
    """
    others: Sequence[Mapping[str, Any]] = state.get(OTHERS, ())
    if group.first:
        for missing in others[group.size - 1 :]:
            for meter, sums in zip(meters, missing["meters"], strict=True):
                meter.reset(meter.sums + sums)
    elif group.rank <= len(others):
        own = others[group.rank - 1]
        for name, buffer in module.named_buffers():
            buffer.copy_(own["statistics"][name])
        for meter, sums in zip(meters, own["meters"], strict=True):
            meter.reset(sums)
    else:
        for meter in meters:
            meter.reset()
