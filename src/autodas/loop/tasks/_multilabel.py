"""Multi-label classification: each sample has any number of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.data import ImageDataset, class_counts
from autodas.errors import AutodasError
from autodas.kernels import constant
from autodas.loop.tasks._label_evaluation import LabelEvaluation
from autodas.loop.tasks._label_files import write_multilabel
from autodas.loop.tasks._label_meter import LabelMeter
from autodas.loop.tasks._label_remarks import remarks
from autodas.loop.tasks._merging import clips_together, in_one_order, merged_logs, of_samples, several_clips
from autodas.loop.tasks._ranking import best_threshold
from autodas.loop.tasks._task import Task
from autodas.loop.tasks._words import with_interval
from autodas.reading import Fields, Items, Number
from autodas.runs.folder import RunFolder
from autodas.runs.scores import SCORES
from autodas.settings import OptimSettings

USUAL = 0.5
"""Threshold of a class, unless samples were held out to find a better one."""


@dataclass(frozen=True)
class Multilabel(Task[LabelEvaluation]):
    """Multi-label classification: binary cross entropy, mean average precision, a logit for each class.

    Args:
        classes: names of the classes in the order of the logits.
        label_smoothing: share s of the target in training that becomes 1/2: 1 becomes 1 - s/2, 0 becomes s/2.
        positive_weights: factors of the loss of positives in training; empty for none.
        thresholds: probability of each class from which on it is predicted; empty for 1/2.

    Examples:
        >>> import autodas
        >>> autodas.Multilabel(("beach", "sunset")).score
        'map'
    """

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    positive_weights: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()

    name = "multilabel"
    metrics = ("loss", "micro_f1")
    evaluated = ("loss", "map", "micro_f1", "macro_f1")
    score, score_words, _ = SCORES["multilabel"]
    forms: ClassVar[Mapping[str, str]] = {
        "loss": "loss {:.3f}",
        "map": "mAP {:.1f} %",
        "micro_f1": "micro F1 {:.1f} %",
    }
    in_words_only = ("classes", "standard_error")

    @classmethod
    def of(cls, dataset: ImageDataset, optim: OptimSettings) -> Multilabel:
        """Return the task for a data set.

        With the balance ``weights`` the loss of positives of a class is multiplied by the number of its
        negatives divided by that of its positives, so that both have the same weight.
        """
        balance, weights = dataset.options.balance, list[float]()
        if balance == "sampler":
            raise AutodasError(
                "`data.balance=sampler` is for one class a sample, but a sample with a rare label also has "
                "frequent ones: choose `data.balance=weights`"
            )
        if balance == "weights":
            positives = class_counts(dataset.train.labels, len(dataset.classes))
            negatives = len(dataset.train) - positives
            pairs = zip(negatives.tolist(), positives.tolist(), strict=True)
            weights = [n / p if n and p else 1.0 for n, p in pairs]
        return cls(dataset.classes, optim.label_smoothing, tuple(weights))

    @classmethod
    def from_facts(cls, classes: tuple[str, ...], facts: Mapping[str, Any]) -> Multilabel:
        """Return the task of a trained network, with its thresholds."""
        count = len(classes)
        Fields({}, {"thresholds": Items(Number(0, 1), count, count)}).check(facts, "task")
        return cls(classes, thresholds=tuple(facts.get("thresholds", ())))

    def facts(self) -> dict[str, Any]:
        """Return the name and the thresholds, if they are not the usual ones."""
        return {"name": self.name, **({"thresholds": list(self.thresholds)} if self.thresholds else {})}

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """The name of a class and its probability."""
        return ("class", "probability")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean binary cross entropy, over samples and classes."""
        return F.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype))

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the same with smoothed targets and weighted positives."""
        wanted = targets.to(outputs.dtype)
        if self.label_smoothing:
            wanted = wanted * (1 - self.label_smoothing) + self.label_smoothing / 2
        weights = (
            constant(self.positive_weights, outputs.device, outputs.dtype) if self.positive_weights else None
        )
        return F.binary_cross_entropy_with_logits(outputs, wanted, pos_weight=weights)

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return T^2 times the mean divergence of both answers, over samples and classes.

        For one class it is KL(p || q) of the probabilities p of the teacher and q of the network, with both
        logits divided by T.
        """
        ours, theirs = outputs / temperature, teacher / temperature
        presence = theirs.sigmoid() * (F.logsigmoid(theirs) - F.logsigmoid(ours))
        absence = (-theirs).sigmoid() * (F.logsigmoid(-theirs) - F.logsigmoid(-ours))
        return temperature**2 * (presence + absence).mean()

    def meter(self, device: torch.device | str = "cpu") -> LabelMeter:
        """Return running sums of loss and F1."""
        return LabelMeter(device)

    def noise(self, count: int, device: torch.device | str) -> Tensor:
        """Return random labels."""
        return torch.randint(2, (count, self.outputs), dtype=torch.uint8, device=device)

    def finish(self, network: nn.Module, held_out: Callable[[], LabelEvaluation] | None) -> Multilabel:
        """Return the task with the thresholds of largest F1 on the samples held out of training, if any.

        These are never test samples.
        """
        if held_out is None:
            return self
        found = held_out()
        probabilities, labels = found.probabilities.numpy(), found.targets.numpy()
        thresholds = (best_threshold(probabilities[:, k], labels[:, k], USUAL) for k in range(self.outputs))
        return replace(self, thresholds=tuple(thresholds))

    def evaluation(
        self,
        metrics: Mapping[str, float],
        outputs: Tensor,
        targets: Tensor,
        indices: Tensor,
        clips: int | None,
    ) -> LabelEvaluation:
        """Return the result; the probabilities of a video are the means of those of its clips."""
        if several_clips(indices, clips):
            outputs, targets, indices = _together(outputs, targets, indices)
        return LabelEvaluation(
            outputs=outputs,
            targets=targets,
            indices=indices,
            clips=clips,
            classes=self.classes,
            thresholds=self.thresholds or (USUAL,) * self.outputs,
        )

    def fuse(self, evaluations: Sequence[LabelEvaluation]) -> LabelEvaluation:
        """Return the evaluation of an ensemble of networks: the mean of their probabilities (late fusion)."""
        outputs, targets, indices = _together(*in_one_order(evaluations))
        return replace(
            evaluations[0],
            outputs=outputs,
            targets=targets,
            indices=indices,
            clips=clips_together(evaluations),
        )

    def remarks(self, found: LabelEvaluation, train_score: float | None = None) -> list[str]:
        """Return remarks on classes, chance and thresholds."""
        return remarks(found, tuned=bool(self.thresholds))

    def write(self, found: LabelEvaluation, folder: RunFolder, dataset: ImageDataset) -> None:
        """Write ``predictions.parquet``, and the most confident mistakes into ``examples/``."""
        write_multilabel(folder, found, dataset)

    def result_line(self, summary: Mapping[str, Any]) -> str:
        """Return the mean average precision with its uncertainty, and F1."""
        return (
            f"test mAP: {with_interval(summary, 'map')}; chance {summary['chance']:.1f} %; micro F1 "
            f"{summary['micro_f1']:.1f} %, macro F1 {summary['macro_f1']:.1f} %"
        )

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the logistic function of the outputs."""
        return outputs.sigmoid()

    def from_probabilities(self, probabilities: Tensor) -> Tensor:
        """Return logits."""
        return probabilities.logit(torch.finfo(probabilities.dtype).eps)

    def predict(self, outputs: Tensor, top: int | None) -> list[dict[str, Any]]:
        """Return the classes above their thresholds with their probabilities, averaged over the views."""
        probabilities = outputs.double().sigmoid().mean(0).tolist()
        thresholds = self.thresholds or (USUAL,) * self.outputs
        rows = zip(self.classes, probabilities, thresholds, strict=True)
        found = [{"class": name, "probability": p} for name, p, least in rows if p >= least]
        return sorted(found, key=lambda guess: -float(str(guess["probability"])))[:top]

    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return classes and probabilities in percent."""
        told = ", ".join(f"{guess['class']} {100 * guess['probability']:.1f} %" for guess in prediction)
        return told or "no label"


def _together(outputs: Tensor, targets: Tensor, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Merge samples with equal indices: the logits of the means of their probabilities."""
    samples, place, counts = torch.unique(indices, return_inverse=True, return_counts=True)
    logits = outputs.double()
    there, absent = (merged_logs(F.logsigmoid(side), place, counts) for side in (logits, -logits))
    return (there - absent).float(), of_samples(targets, place, counts), samples
