"""Loss and accuracy, summed over batches on the device; one look from the host an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from autodas.accuracy import CLASSES_OF_TOP5
from autodas.errors import AutodasError


def correct_in_top(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return for each sample whether its label is among the k largest logits; shape (batch,), bool."""
    k = min(k, logits.shape[1])
    return (logits.topk(k, dim=1).indices == labels[:, None]).any(1)


class Meter:
    """Running sums of loss, top-1 and top-5 hits and samples.

    The sums stay where they are in memory: a recorded iteration adds to them.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)
        self.has_top5 = True

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch, whose loss is a mean."""
        self.has_top5 = logits.shape[1] >= CLASSES_OF_TOP5
        count = torch.full((), float(len(labels)), dtype=torch.float64, device=self.sums.device)
        top1 = correct_in_top(logits, labels, 1).sum()
        top5 = correct_in_top(logits, labels, 5).sum()
        self.sums += torch.stack([loss.double() * count, top1.double(), top5.double(), count])

    def reset(self, sums: Tensor | None = None) -> None:
        """Begin again, or at other sums; raises ValueError if they are none."""
        if sums is None:
            self.sums.zero_()
        elif sums.shape != self.sums.shape or sums.dtype != self.sums.dtype:
            raise ValueError(f"{len(self.sums)} sums are expected")
        else:
            self.sums.copy_(sums)

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return mean loss, and top-1 and, of six classes and more, top-5 accuracy in percent."""
        loss, top1, top5, count = self.sums.tolist()
        if count == 0:
            return {}
        found = {f"{prefix}loss": loss / count, f"{prefix}top1": 100 * top1 / count}
        return found | {f"{prefix}top5": 100 * top5 / count} if self.has_top5 else found


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
                    "from before that. A smaller --optim.lr, a smaller --optim.clip or --compute.precision "
                    "fp32 may help"
                )


def shown(metrics: Mapping[str, Any]) -> str:
    """Return loss and top-1 accuracies as text for people."""
    return ", ".join(
        f"{name.replace('_', ' ')} " + (f"{value:.3f}" if "loss" in name else f"{value:.1f} %")
        for name, value in metrics.items()
        if value is not None and not name.endswith("top5")
    )
