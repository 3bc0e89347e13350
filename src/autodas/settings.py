"""Settings shared by several packages. No torch, so that the command line can show them instantly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autodas.errors import AutodasError

Precision = Literal["fp32", "bf16"]
Graphs = Literal["auto", "off"]


@dataclass(frozen=True)
class StepSettings:
    """Gradient steps of any optimiser: learning rate, decay of weights, limit of the gradient.

    Args:
        lr: initial learning rate.
        final_lr: final learning rate of the cosine and linear schedules.
        schedule: decay of the learning rate: "cosine", "linear" (both in every iteration, from the end of the
            warm-up) or "exponential" (times `decay` after every epoch, counted from the start).
        decay: factor per epoch of the exponential schedule.
        warmup_epochs: epochs in which the learning rate rises linearly to `lr`.
        weight_decay: weight of the squared norm of all weights.
        clip: largest norm of the gradient of all weights together; 0 for no limit.
    """

    lr: float = 0.025
    final_lr: float = 0.0
    schedule: Literal["cosine", "linear", "exponential"] = "cosine"
    decay: float = 0.97
    warmup_epochs: float = 0.0
    weight_decay: float = 3e-4
    clip: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.lr < float("inf"):
            raise AutodasError(f"optim.lr={self.lr} must be a number above 0")
        if not 0 <= self.final_lr <= self.lr:
            raise AutodasError(f"optim.final_lr={self.final_lr} must lie between 0 and optim.lr={self.lr}")
        if not 0 < self.decay <= 1:
            raise AutodasError(f"optim.decay={self.decay} must lie above 0 and at most at 1")
        for name in ("weight_decay", "clip", "warmup_epochs"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise AutodasError(f"optim.{name}={getattr(self, name)} must be a number of at least 0")


@dataclass(frozen=True)
class OptimSettings(StepSettings):
    """Stochastic gradient descent with momentum on the network's weights.

    Args:
        momentum: momentum of the gradient.
        label_smoothing: share of the target that is spread over all classes.
        loss: loss of regression, of errors in standard deviations of the numbers: mse, their mean square; or
            huber, which grows only linearly from one standard deviation on.
    """

    momentum: float = 0.9
    label_smoothing: float = 0.0
    loss: Literal["mse", "huber"] = "mse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise AutodasError(f"optim.momentum={self.momentum} must lie in [0, 1)")
        if not 0 <= self.label_smoothing < 1:
            raise AutodasError(f"optim.label_smoothing={self.label_smoothing} must lie in [0, 1)")


@dataclass(frozen=True)
class AdamWSettings(StepSettings):
    """AdamW on the network's weights, as is usual for detectors with a transformer.

    Args:
        lr: initial learning rate.
        warmup_epochs: epochs in which the learning rate rises linearly to `lr`.
        weight_decay: share of all weights that is subtracted in a step, relative to the learning rate.
        clip: largest norm of the gradient of all weights together; 0 for no limit.
    """

    lr: float = 1e-4
    warmup_epochs: float = 2.0
    weight_decay: float = 1e-4
    clip: float = 0.1


@dataclass(frozen=True)
class SupernetSettings:
    """The relaxed network.

    Args:
        engine: fused (fast) or reference (as printed in the papers).
        partial_channels: only one channel in this many passes through the candidates of an edge, the others
            bypass them: much less memory and time, but a different method. By default 4 for pcdarts, 1 (all)
            for the others.
        checkpoint: recompute cells in the backward pass, keeping only their inputs: less memory, more time,
            the same results.
    """

    engine: str = "fused"
    partial_channels: int | None = None
    checkpoint: bool = False


def learning_rate(settings: StepSettings, iteration: int, iterations: int, iterations_an_epoch: int) -> float:
    r"""Compute the learning rate of an iteration.

    Cosine: :math:`\eta_T + (\eta_0 - \eta_T)(1 + \cos(\pi t / T)) / 2` with t counted from the end of
    the warm-up.

    Args:
        settings: schedule.
        iteration: t, counted from 0.
        iterations: total number of iterations T.
        iterations_an_epoch: number of iterations in an epoch.
    """
    import math

    warmup = settings.warmup_epochs * iterations_an_epoch
    if iteration < warmup:
        return settings.lr * (iteration + 1) / math.ceil(warmup)
    if settings.schedule == "exponential":
        return settings.lr * settings.decay ** (iteration // iterations_an_epoch)
    share = (iteration - warmup) / max(1.0, iterations - warmup)
    fall = (1 + math.cos(math.pi * share)) / 2 if settings.schedule == "cosine" else 1 - share
    return settings.final_lr + (settings.lr - settings.final_lr) * fall


@dataclass(frozen=True)
class EvaluationPlan:
    """Plan of the evaluations during and after a training.

    Args:
        validation: share of the training samples to hold out, in [0, 1); the best epoch on them is tested.
        test_clips: clips of each test video, whose scores are averaged (SDAS: 20).
        test_crops: crops of each of these clips: 1 for the centre, 3 along the longer side.
        test_every: epochs between evaluations on the test samples, for curves; 0 for none.

    Raises:
        AutodasError: if a value is out of range.
    """

    validation: float = 0.0
    test_clips: int = 20
    test_crops: int = 1
    test_every: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.validation < 1:
            raise AutodasError(f"validation={self.validation} must lie in [0, 1)")
        for name in ("test_clips", "test_crops"):
            if getattr(self, name) < 1:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 1")


@dataclass(frozen=True)
class EmbeddingSettings:
    """The task embedding: vectors for retrieval.

    Args:
        dimensions: numbers of a vector.
        margin: least difference of distances in the triplet loss, of vectors of length 1.
        samples: samples of each identity in a batch.

    Raises:
        AutodasError: if a number is out of range.
    """

    dimensions: int = 128
    margin: float = 0.3
    samples: int = 4

    def __post_init__(self) -> None:
        for name, least in (("dimensions", 1), ("samples", 2)):
            if getattr(self, name) < least:
                raise AutodasError(f"embedding.{name}={getattr(self, name)} must be at least {least}")
        if not 0 < self.margin <= 2:
            raise AutodasError(f"embedding.margin={self.margin} must lie in (0, 2]")


@dataclass(frozen=True)
class TeacherSettings:
    """A trained network whose outputs another one learns, too (distillation).

    The loss is (1 - w) times that of the labels plus w times the distance of the outputs from those of the
    teacher; for classes this is T^2 KL(softmax(z / T) || softmax(y / T)) for the teacher's outputs z, the
    network's y and a temperature T (Hinton, Vinyals and Dean 2015, section 2).

    Args:
        name: a run folder of 'autodas train', a model.safetensors file, timm:NAME with its published weights,
            timm:NAME#FILE with the weights in a file, or python:package.module:function.
        weight: share w of the teacher in the loss, above 0 and at most 1.
        temperature: divisor T of the outputs, above 0; the larger, the more unlikely classes count.

    Raises:
        AutodasError: if a number is out of range.
    """

    name: str | None = None
    weight: float = 0.5
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise AutodasError(f"teacher.weight={self.weight} must lie in (0, 1]")
        if not 0 < self.temperature < float("inf"):
            raise AutodasError(f"teacher.temperature={self.temperature} must be a number above 0")
