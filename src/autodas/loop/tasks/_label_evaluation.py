"""Result of an evaluation of several labels a sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.loop.tasks._bootstrap import bootstrap_error
from autodas.loop.tasks._evaluation import Evaluation
from autodas.loop.tasks._ranking import average_precision, f1_scores, mean_average_precision


@dataclass(frozen=True, kw_only=True)
class LabelEvaluation(Evaluation):
    """Result of an evaluation of several labels a sample.

    ``outputs`` are logits (samples, classes); for videos with several clips, those of the mean of the clips'
    probabilities. ``targets`` are 0 or 1 (samples, classes). Means over classes are over those that have
    positives, since the average precision of the others is not defined.

    Attributes:
        classes: names of the classes.
        thresholds: probability of each class from which on it is predicted.
    """

    classes: tuple[str, ...]
    thresholds: tuple[float, ...]

    @cached_property
    def probabilities(self) -> Tensor:
        """Probability of each label, double (samples, classes)."""
        return self.outputs.double().sigmoid()

    @property
    def predicted(self) -> Tensor:
        """Whether each label is predicted, bool (samples, classes)."""
        return self.probabilities >= torch.tensor(self.thresholds, dtype=torch.float64)

    @property
    def positives(self) -> Tensor:
        """Number of samples with each label."""
        return self.targets.sum(0, dtype=torch.int64)

    @cached_property
    def loss(self) -> float:
        """Mean binary cross entropy."""
        return float(F.binary_cross_entropy_with_logits(self.outputs, self.targets.to(self.outputs.dtype)))

    @cached_property
    def average_precisions(self) -> list[float | None]:
        """Average precision of each class in percent; ``None`` without positives."""
        scores, labels = self.outputs.numpy(), self.targets.numpy()
        return [
            100 * float(average_precision(scores[:, k], labels[:, k])[0]) if labels[:, k].any() else None
            for k in range(labels.shape[1])
        ]

    @cached_property
    def mean_average_precision(self) -> float:
        """Mean of the average precisions in percent; raises AutodasError if no class has positives."""
        known = [value for value in self.average_precisions if value is not None]
        if not known:
            raise AutodasError(
                f"none of the {self.count} evaluated samples has a label: there is no average precision"
            )
        return sum(known) / len(known)

    @cached_property
    def f1(self) -> tuple[float, float]:
        """F1 in percent: of all labels together (micro), and the mean of the classes (macro)."""
        predicted, labels = self.predicted.numpy(), self.targets.numpy()
        micro = f1_scores(predicted.reshape(-1, 1), labels.reshape(-1, 1))[2]
        macro = f1_scores(predicted, labels)[2][labels.any(0)]
        return 100 * float(micro[0]), 100 * float(macro.mean())

    @property
    def metrics(self) -> dict[str, float | None]:
        """Loss, mean average precision, and both F1."""
        micro, macro = self.f1
        return {"loss": self.loss, "map": self.mean_average_precision, "micro_f1": micro, "macro_f1": macro}

    @property
    def score(self) -> float:
        """The mean average precision."""
        return self.mean_average_precision

    @property
    def chance(self) -> float:
        """Mean average precision of a random order in percent: about the mean share of positives."""
        shares = self.positives[self.positives > 0].double() / self.count
        return 100 * float(shares.mean())

    def some(self, chosen: Tensor) -> LabelEvaluation:
        """Return the evaluation on a subset of the samples, given as a mask, bool (samples,)."""
        return replace(
            self,
            outputs=self.outputs[chosen],
            targets=self.targets[chosen],
            indices=self.indices[chosen],
            clips=None,
        )

    def of_classes(self) -> dict[str, dict[str, float | int | None]]:
        """Return the numbers of each class: average precision, precision, recall and F1 in percent."""
        rates = f1_scores(self.predicted.numpy(), self.targets.numpy())
        precision, recall, f1 = (100 * rate for rate in rates)
        return {
            name: {
                "average_precision": self.average_precisions[k],
                "threshold": self.thresholds[k],
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": float(f1[k]),
                "positives": int(self.positives[k]),
            }
            for k, name in enumerate(self.classes)
        }

    @cached_property
    def error(self) -> float | None:
        """Standard error of the mean average precision, from resamples."""
        scores, labels = self.outputs.numpy(), self.targets.numpy()
        return bootstrap_error(
            lambda weights: 100 * mean_average_precision(scores, labels, weights), self.count, labels.shape[1]
        )

    def summary(self) -> dict[str, Any]:
        """Return the numbers for logs."""
        return {
            **self.metrics,
            "count": self.count,
            "interval": self.interval and list(self.interval),
            "standard_error": self.error,
            "chance": self.chance,
            "classes": self.of_classes(),
            **({} if self.clips is None else {"clips": self.clips}),
        }
