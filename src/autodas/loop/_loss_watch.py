"""A watch over losses that does not make the host wait for the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autodas.errors import AutodasError

HOPELESS = 1000.0
"""A loss above this is not that of a network that learns.

Guessing costs the logarithm of the number of classes, at most 10 for 20,000 classes. From about 745 on, the
probability of the correct class is below the smallest double-precision number.
"""


class LossWatch:
    """Stops a run whose loss is not finite or has grown beyond any reasonable value.

    On an accelerator losses are checked only occasionally, so that the host never waits within an iteration;
    the error still names the iteration concerned.

    Args:
        device: device on which losses are computed.
        every: number of losses collected between two checks on an accelerator.
    """

    def __init__(self, device: torch.device | str, every: int = 50) -> None:
        self.every = 1 if torch.device(device).type == "cpu" else every
        self.pending: list[tuple[int, str, Tensor]] = []

    def add(self, iteration: int, step: str, loss: Tensor) -> None:
        """Add a loss; raises :class:`AutodasError` if a checked loss is hopeless."""
        self.pending.append((iteration, step, loss.detach()))
        if len(self.pending) >= self.every:
            self.check()

    def check(self) -> None:
        """Check all pending losses."""
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
