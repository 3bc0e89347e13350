"""A watch over losses, without making the host wait for the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autodas.errors import AutodasError

HOPELESS = 1000.0
"""A loss above this is no loss of a run that learns.

Guessing costs the logarithm of the number of classes, at most 10 for 20,000 of them. From about 745 on the
probability of the right class is smaller than the smallest number of double precision.
"""


class LossWatch:
    """Stops a run whose loss is no longer a number, or has grown beyond all reason.

    On an accelerator losses are looked at only now and then, so that the host never waits inside an
    iteration; the iteration that went wrong is still named.

    Args:
        device: where losses are computed.
        every: how many losses are collected between two looks on an accelerator.
    """

    def __init__(self, device: torch.device | str, every: int = 50) -> None:
        self.every = 1 if torch.device(device).type == "cpu" else every
        self.pending: list[tuple[int, str, Tensor]] = []

    def add(self, iteration: int, step: str, loss: Tensor) -> None:
        """Take note of a loss; raises :class:`AutodasError` when one is hopeless."""
        self.pending.append((iteration, step, loss.detach()))
        if len(self.pending) >= self.every:
            self.check()

    def check(self) -> None:
        """Look at all losses that are pending."""
        pending, self.pending = self.pending, []
        values = torch.stack([loss for _, _, loss in pending]).tolist() if pending else []
        for (iteration, step, _), loss in zip(pending, values, strict=True):
            if not abs(loss) <= HOPELESS:
                how = f"has grown to {loss:,.0f}" if math.isfinite(loss) else f"is {loss}"
                raise AutodasError(
                    f"the loss of the {step} step {how} at iteration {iteration}; the last checkpoint is "
                    "from before that. A smaller `optim.lr`, a smaller `optim.clip` or "
                    "`compute.precision=fp32` may help"
                )
