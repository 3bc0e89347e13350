"""Regression: each sample has one or several targets, which are numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from autodas.data import ImageDataset
from autodas.errors import AutodasError
from autodas.kernels import constant
from autodas.loop.tasks._merging import clips_together, in_one_order, of_samples, several_clips
from autodas.loop.tasks._regression_evaluation import Loss, RegressionEvaluation, loss_of
from autodas.loop.tasks._regression_files import write_regression
from autodas.loop.tasks._regression_meter import RegressionMeter
from autodas.loop.tasks._regression_remarks import remarks
from autodas.loop.tasks._task import Task
from autodas.loop.tasks._words import with_interval
from autodas.networks import rescale_outputs
from autodas.reading import Fields, Items, Number, OneOf
from autodas.runs.folder import RunFolder
from autodas.runs.scores import SCORES
from autodas.settings import OptimSettings


@dataclass(frozen=True)
class Regression(Task[RegressionEvaluation]):
    r"""Regression: squared or Huber's loss, MAE, RMSE and R², one output for each target.

    While training, outputs are standardised: :math:`(t - \mu) / \sigma` is learned for a target t, with mean
    and standard deviation of the training samples. At the end both are folded into the last layer, so the
    network of a model file, and whatever is made of it, answers in the units of the data.

    Args:
        names: names of the targets, in the order of the outputs.
        mean: mean of each in the training samples.
        std: standard deviation of each, above 0.
        kind: loss of standardised errors.
        standardised: whether outputs are standardised; otherwise they are in the units of the data.

    Examples:
        >>> import autodas
        >>> autodas.Regression(("angle",), mean=(3.0,), std=(20.0,)).score
        'r2'
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: Loss = "mse"
    standardised: bool = True

    name = "regression"
    metrics = ("loss", "mae", "rmse", "r2")
    evaluated = metrics
    score, score_words, _ = SCORES["regression"]
    forms: ClassVar[Mapping[str, str]] = {"loss": "loss {:.3f}", "mae": "MAE {:.4g}", "r2": "R² {:.1f} %"}
    in_words_only = ("standard_error", "targets")
    ranked = False

    @classmethod
    def of(cls, dataset: ImageDataset, optim: OptimSettings) -> Regression:
        """Return the task for a data set, with the statistics of its training samples."""
        if optim.label_smoothing:
            raise AutodasError(
                "`optim.label_smoothing` is for classes, but the task is regression: set it to 0"
            )
        if dataset.options.balance != "none":
            raise AutodasError("`data.balance` is for classes, but the task is regression: omit it")
        targets = dataset.train.labels
        return cls(
            dataset.classes, tuple(targets.mean(0).tolist()), tuple(targets.std(0).tolist()), optim.loss
        )

    @classmethod
    def from_facts(cls, classes: tuple[str, ...], facts: Mapping[str, Any]) -> Regression:
        """Return the task of a trained network, whose outputs are in the units of the data."""
        size = len(classes)
        shape = Fields(
            {
                "mean": Items(Number(), size, size),
                "std": Items(Number(0, above=True), size, size),
                "loss": OneOf(("mse", "huber")),
            }
        )
        shape.check(facts, "task")
        return cls(classes, tuple(facts["mean"]), tuple(facts["std"]), facts["loss"], standardised=False)

    def facts(self) -> dict[str, Any]:
        """Return the name, the statistics of the training samples, and the loss."""
        return {"name": self.name, "mean": list(self.mean), "std": list(self.std), "loss": self.kind}

    @property
    def outputs(self) -> int:
        """The number of targets."""
        return len(self.names)

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """The names of the targets."""
        return self.names

    def begin(self, network: nn.Module) -> None:
        """Let a network that answers in the units of the data answer in standardised ones."""
        rescale_outputs(
            network, [1 / s for s in self.std], [-m / s for m, s in zip(self.mean, self.std, strict=True)]
        )

    def finish(self, network: nn.Module, held_out: Callable[[], RegressionEvaluation] | None) -> Regression:
        """Let the network answer in the units of the data, and return the task for that."""
        rescale_outputs(network, self.std, self.mean)
        return replace(self, standardised=False)

    def _both(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and targets in standardised units, double."""
        mean, std = (constant(v, outputs.device, torch.float64) for v in (self.mean, self.std))
        answers = outputs.double()
        return answers if self.standardised else (answers - mean) / std, (targets - mean) / std

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of standardised errors, over samples and targets."""
        answers, wanted = (values.to(outputs.dtype) for values in self._both(outputs, targets))
        return loss_of(self.kind)(answers, wanted)

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the loss of the outputs with the answers of a teacher as targets; T has no effect.

        The teacher answers in the units of the data.
        """
        return self.loss(outputs, teacher.double())

    def meter(self, device: torch.device | str = "cpu") -> RegressionMeter:
        """Return running sums of loss and errors."""
        return RegressionMeter(self.std, self._both, device)

    def noise(self, count: int, device: torch.device | str) -> Tensor:
        """Return random numbers."""
        return torch.randn((count, self.outputs), dtype=torch.float64, device=device)

    def _in_units(self, outputs: Tensor) -> Tensor:
        """Return outputs in the units of the data, double."""
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (self.mean, self.std))
        return outputs.double() * std + mean if self.standardised else outputs.double()

    def evaluation(
        self,
        metrics: Mapping[str, float],
        outputs: Tensor,
        targets: Tensor,
        indices: Tensor,
        clips: int | None,
    ) -> RegressionEvaluation:
        """Return the result; the answer for a video is the mean of those for its clips."""
        answers = self._in_units(outputs)
        if several_clips(indices, clips):
            answers, targets, indices = _together(answers, targets, indices)
        return RegressionEvaluation(
            outputs=answers,
            targets=targets,
            indices=indices,
            clips=clips,
            names=self.names,
            mean=self.mean,
            std=self.std,
            kind=self.kind,
        )

    def fuse(self, evaluations: Sequence[RegressionEvaluation]) -> RegressionEvaluation:
        """Return the evaluation of an ensemble of networks: the mean of their answers."""
        outputs, targets, indices = _together(*in_one_order(evaluations))
        return replace(
            evaluations[0],
            outputs=outputs,
            targets=targets,
            indices=indices,
            clips=clips_together(evaluations),
        )

    def remarks(self, found: RegressionEvaluation, train_score: float | None = None) -> list[str]:
        """Return remarks on the answers: constant ones, memorisation, chance."""
        return remarks(found, train_score)

    def write(self, found: RegressionEvaluation, folder: RunFolder, dataset: ImageDataset) -> None:
        """Write ``predictions.parquet``, and the largest errors into ``examples/``."""
        write_regression(folder, found, dataset)

    def result_line(self, summary: Mapping[str, Any]) -> str:
        """Return R² with its uncertainty, and the errors beside those of the mean."""
        return (
            f"test R²: {with_interval(summary, 'r2')}; MAE {summary['mae']:.4g} (of the mean of the training "
            f"samples {summary['mae_of_mean']:.4g}), RMSE {summary['rmse']:.4g}"
        )

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Raise AutodasError: the answers are numbers."""
        raise AutodasError("`probabilities` is for classes, but the network answers numbers: omit it")

    def from_probabilities(self, probabilities: Tensor) -> Tensor:
        """Raise AutodasError: the answers are numbers."""
        return self.probabilities(probabilities)

    def predict(self, outputs: Tensor, top: int | None) -> list[dict[str, Any]]:
        """Return the answers by the names of the targets, averaged over the views."""
        if top is not None:
            raise AutodasError("`top` is for classes, but the network answers numbers: omit it")
        answers = self._in_units(outputs.cpu()).mean(0).tolist()
        return [dict(zip(self.names, answers, strict=True))]

    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return names and answers."""
        return ", ".join(f"{name} {value:.4g}" for name, value in prediction[0].items())


def _together(outputs: Tensor, targets: Tensor, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Merge samples with equal indices: the means of their answers."""
    samples, place, counts = torch.unique(indices, return_inverse=True, return_counts=True)
    sums = outputs.new_zeros((len(samples), outputs.shape[1])).index_add_(0, place, outputs)
    return sums / counts[:, None], of_samples(targets, place, counts), samples
