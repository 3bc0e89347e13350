"""Result of an evaluation of regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.loop.tasks._bootstrap import bootstrap_error
from autodas.loop.tasks._evaluation import Evaluation

Loss = Literal["mse", "huber"]


def loss_of(kind: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the mean loss of answers and targets in standard deviations; Huber's is linear from one on."""
    return F.mse_loss if kind == "mse" else F.huber_loss


@dataclass(frozen=True, kw_only=True)
class RegressionEvaluation(Evaluation):
    r"""Result of an evaluation of regression.

    ``outputs`` and ``targets`` are in the units of the data, double (samples, D); outputs for videos are
    means over clips. The coefficient of determination of one target is

    .. math:: R^2 = 1 - \frac{\sum_i (t_i - y_i)^2}{\sum_i (t_i - \bar t)^2},

    1 for perfect answers and 0 for the mean of the evaluated samples; of several targets it is the mean. If
    all targets are equal it is 1 for perfect answers, otherwise 0.

    Attributes:
        names: names of the targets.
        mean: mean of each target in the training samples: the answer without a look at the image.
        std: standard deviation of each target in the training samples.
        kind: loss of errors divided by them, ``"mse"`` or ``"huber"``.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: Loss

    @property
    def loss(self) -> float:
        """Mean loss."""
        errors = self.errors / torch.tensor(self.std, dtype=torch.float64)
        return float(loss_of(self.kind)(errors, torch.zeros_like(errors)))

    @property
    def errors(self) -> Tensor:
        """Errors in the units of the data, (samples, D)."""
        return self.outputs - self.targets

    @property
    def mae(self) -> Tensor:
        """Mean absolute error of each target, (D,)."""
        return self.errors.abs().mean(0)

    @property
    def mae_of_mean(self) -> Tensor:
        """Mean absolute error of always answering the mean of the training samples, (D,)."""
        return (self.targets - torch.tensor(self.mean, dtype=torch.float64)).abs().mean(0)

    @property
    def rmse(self) -> Tensor:
        """Root of the mean squared error of each target, (D,)."""
        return (self.errors**2).mean(0).sqrt()

    @property
    def r2(self) -> Tensor:
        """Coefficient of determination of each target in percent, (D,)."""
        left, whole = (self.errors**2).sum(0), ((self.targets - self.targets.mean(0)) ** 2).sum(0)
        equal = (self.targets == self.targets[0]).all(0)  # where the mean may differ by a rounding error
        return 100 * torch.where(equal, (left == 0).double(), 1 - left / whole)

    @property
    def metrics(self) -> dict[str, float | None]:
        """Loss, and means over the targets of MAE, RMSE and coefficient of determination in percent."""
        return {
            "loss": self.loss,
            "mae": float(self.mae.mean()),
            "rmse": float(self.rmse.mean()),
            "r2": float(self.r2.mean()),
        }

    @property
    def score(self) -> float:
        """The coefficient of determination in percent."""
        return float(self.r2.mean())

    def some(self, chosen: Tensor) -> RegressionEvaluation:
        """Return the evaluation on a subset of the samples, given as a mask, bool (samples,)."""
        return replace(
            self,
            outputs=self.outputs[chosen],
            targets=self.targets[chosen],
            indices=self.indices[chosen],
            clips=None,
        )

    @cached_property
    def error(self) -> float | None:
        """Standard error of the coefficient of determination, from resamples."""
        # Around the mean, where sums of squares lose no digits.
        targets = (self.targets - self.targets.mean(0)).numpy()
        squares = (self.errors**2).numpy()

        def score(weights: np.ndarray) -> np.ndarray:
            whole = weights @ targets**2 - (weights @ targets) ** 2 / weights.sum(1, keepdims=True)
            with np.errstate(divide="ignore", invalid="ignore"):
                found = 1 - (weights @ squares) / np.where(whole > 0, whole, np.nan)
            return np.asarray(100 * found.mean(1))

        return bootstrap_error(score, self.count, targets.shape[1])

    def summary(self) -> dict[str, Any]:
        """Return the numbers for logs."""
        each = zip(
            self.names,
            self.mae.tolist(),
            self.rmse.tolist(),
            self.r2.tolist(),
            self.mae_of_mean.tolist(),
            strict=True,
        )
        targets = {
            name: {"mae": mae, "rmse": rmse, "r2": r2, "mae_of_mean": plain}
            for name, mae, rmse, r2, plain in each
        }
        return {
            **self.metrics,
            "mae_of_mean": float(self.mae_of_mean.mean()),
            "count": self.count,
            "interval": self.interval and list(self.interval),
            "standard_error": self.error,
            "targets": targets,
            **({} if self.clips is None else {"clips": self.clips}),
        }
