"""Loss and errors of regression, summed over batches on the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autodas.loop.tasks._meter import Meter


class RegressionMeter(Meter):
    """Running sums of loss, absolute and squared errors, targets and their squares, and samples.

    Errors and targets are summed in standard deviations of the training samples, around their mean, where the
    sums lose no digits.

    Args:
        spread: standard deviation of each target.
        standardised: function from outputs and targets to both in these units, double (batch, D).
        device: device on which batches are computed.
    """

    def __init__(
        self,
        spread: tuple[float, ...],
        standardised: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(2 + 4 * len(spread), device)
        self.spread, self.standardised = spread, standardised

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, given its mean loss."""
        count = torch.full((1,), float(len(targets)), dtype=torch.float64, device=self.sums.device)
        answers, wanted = self.standardised(outputs, targets)
        errors = answers - wanted
        parts = [part.sum(0) for part in (errors.abs(), errors**2, wanted, wanted**2)]
        self.sums += torch.cat([(loss.double() * count).reshape(1), *parts, count])

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the mean loss, and means over the targets of MAE, RMSE and R² in percent."""
        loss, *sums, count = self.sums.tolist()
        if count == 0:
            return {}
        size = len(self.spread)
        absolute, squares, total, whole = (sums[size * i : size * (i + 1)] for i in range(4))
        around = [w - t * t / count for w, t in zip(whole, total, strict=True)]
        mae = [a / count * s for a, s in zip(absolute, self.spread, strict=True)]
        rmse = [(q / count) ** 0.5 * s for q, s in zip(squares, self.spread, strict=True)]
        r2 = [1 - q / w if w > 0 else float(q == 0) for q, w in zip(squares, around, strict=True)]
        means = {"mae": mae, "rmse": rmse, "r2": [100 * value for value in r2]}
        return {f"{prefix}loss": loss / count} | {f"{prefix}{n}": sum(v) / size for n, v in means.items()}
