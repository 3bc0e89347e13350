"""Regression: losses, metrics and units against scikit-learn and numbers by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch import Tensor, nn

from autodas.data import Batch, DataOptions
from autodas.errors import AutodasError
from autodas.loop.tasks import Regression, RegressionEvaluation, task_from, task_of
from autodas.networks import rescale_outputs
from autodas.settings import OptimSettings

NAMES = ("angle", "height")
TASK = Regression(NAMES, mean=(10.0, 2000.0), std=(5.0, 0.25))


def drawn(count: int = 50) -> tuple[Tensor, Tensor]:
    """Standardised outputs, and targets in their units."""
    generator = np.random.default_rng(count)
    wanted = generator.normal(size=(count, 2))
    outputs = wanted + generator.normal(size=(count, 2)) / 2
    targets = wanted * TASK.std + TASK.mean
    return torch.tensor(outputs, dtype=torch.float32), torch.tensor(targets)


def evaluated(outputs: Tensor, targets: Tensor, task: Regression = TASK) -> RegressionEvaluation:
    def batches() -> Iterator[Batch]:
        for start in range(0, len(outputs), 7):
            part = slice(start, start + 7)
            yield Batch(outputs[part], targets[part], torch.arange(len(outputs))[part])

    return task.evaluate(lambda images: images, batches())


def in_units(outputs: Tensor) -> np.ndarray:
    return np.asarray(outputs.double().numpy() * TASK.std + TASK.mean)


def test_losses_by_hand() -> None:
    targets = torch.tensor([[10.0, 2000.5], [15.0, 2000.0]], dtype=torch.float64)  # 0, 2 and 1, 0
    outputs = torch.tensor([[0.5, 0.0], [1.0, -3.0]])  # errors 0.5, -2, 0, -3
    assert float(TASK.loss(outputs, targets)) == pytest.approx((0.25 + 4 + 0 + 9) / 4)
    huber = Regression(NAMES, TASK.mean, TASK.std, kind="huber")
    assert float(huber.loss(outputs, targets)) == pytest.approx((0.125 + 1.5 + 0 + 2.5) / 4)
    assert evaluated(outputs, targets, huber).loss == pytest.approx((0.125 + 1.5 + 0 + 2.5) / 4)


def test_metrics_against_scikit_learn() -> None:
    outputs, targets = drawn()
    found, answers = evaluated(outputs, targets), in_units(outputs)
    assert np.allclose(found.outputs.numpy(), answers)
    assert found.metrics["mae"] == pytest.approx(mean_absolute_error(targets, answers))
    assert found.metrics["rmse"] == pytest.approx(root_mean_squared_error(targets, answers))
    assert found.score == found.metrics["r2"] == pytest.approx(100 * r2_score(targets, answers))
    for k, name in enumerate(NAMES):
        own = found.summary()["targets"][name]
        assert own["mae"] == pytest.approx(mean_absolute_error(targets[:, k], answers[:, k]))
        assert own["r2"] == pytest.approx(100 * r2_score(targets[:, k], answers[:, k]))
        assert own["mae_of_mean"] == pytest.approx(float((targets[:, k] - TASK.mean[k]).abs().mean()))
    assert tuple(found.metrics) == Regression.evaluated


def test_equal_targets_have_the_score_of_scikit_learn() -> None:
    targets = torch.tensor([[10.0, 2000.0]] * 4, dtype=torch.float64)
    for outputs in (torch.zeros(4, 2), torch.ones(4, 2)):
        assert evaluated(outputs, targets).score == 100 * r2_score(targets, in_units(outputs))
    # Also where their mean differs from them by a rounding error.
    targets = torch.full((3, 2), 0.1, dtype=torch.float64)
    assert ((targets - targets.mean(0)) != 0).any()
    task = Regression(NAMES, (0.1, 0.1), (1.0, 1.0))
    assert evaluated(torch.zeros(3, 2), targets, task).score == 100
    assert evaluated(torch.ones(3, 2), targets, task).score == 0


def test_the_meter_agrees_with_the_evaluation() -> None:
    outputs, targets = drawn()
    meter = TASK.meter()
    for part in (slice(0, 20), slice(20, 50)):
        meter.add(TASK.loss(outputs[part], targets[part]), outputs[part], targets[part])
    found = evaluated(outputs, targets)
    assert meter.result() == {name: pytest.approx(value, rel=1e-6) for name, value in found.metrics.items()}
    assert tuple(meter.result()) == Regression.metrics
    assert meter.count == 50


class Network(nn.Module):
    """The parts of a network that its outputs come from."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3, 2)
        self.auxiliary = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.classifier(x), self.auxiliary(x)


def test_the_head_takes_over_the_units_and_gives_them_back() -> None:
    torch.manual_seed(0)
    network, x = Network(), torch.randn(50, 3)
    before = [t.detach() for t in network(x)]
    _, targets = drawn()
    standardised = evaluated(before[0], targets)
    task = TASK.finish(network, None)
    assert task.standardised is False
    for old, new in zip(before, network(x), strict=True):
        assert np.allclose(in_units(old), new.detach().numpy(), rtol=1e-6)
    answers = network(x)[0].detach()
    same = evaluated(answers, targets, task)
    for name, value in standardised.metrics.items():
        assert same.metrics[name] == pytest.approx(value, rel=1e-3, abs=0.1 if name == "r2" else 0), name
    assert float(task.loss(answers, targets)) == pytest.approx(standardised.loss, rel=1e-3)
    assert task_from(NAMES, task.facts()) == task
    task.begin(network)
    for old, new in zip(before, network(x), strict=True):
        assert torch.allclose(old, new, atol=1e-3)


def test_outputs_are_rescaled_one_by_one() -> None:
    network = Network()
    x = torch.randn(4, 3)
    old = network.classifier(x)
    rescale_outputs(network, [2.0, -1.0], [10.0, 0.5])
    assert torch.allclose(
        network.classifier(x), old * torch.tensor([2.0, -1.0]) + torch.tensor([10.0, 0.5]), atol=1e-5
    )


def test_predictions_are_means_in_units() -> None:
    found = TASK.predict(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), None)
    assert found == [{"angle": 12.5, "height": 2000.25}]
    assert TASK.prediction_in_words(found) == "angle 12.5, height 2000"
    assert TASK.prediction_columns == NAMES
    with pytest.raises(AutodasError, match="`top` is for classes"):
        TASK.predict(torch.zeros(1, 2), 3)


def test_the_answer_for_a_video_is_the_mean_of_its_clips() -> None:
    clips = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])[:, None, None, None]
    targets = torch.tensor([[10.0, 2000.0], [10.0, 2000.0], [20.0, 2001.0]], dtype=torch.float64)
    batches = [Batch(clips, targets, torch.tensor([8, 8, 3]))]
    found = TASK.evaluate(lambda images: images[:, 0, 0, 0], batches)
    assert (found.clips, found.indices.tolist()) == (3, [3, 8])
    assert found.outputs.tolist() == [[15.0, 2000.25], [12.5, 2000.25]]
    assert found.metrics["mae"] == pytest.approx(((5 + 2.5) / 2 + (0.75 + 0.25) / 2) / 2)
    other = TASK.evaluate(lambda images: images[:, 0, 0, 0] + 2, batches)
    assert TASK.fuse([found, other]).outputs.tolist() == [[20.0, 2000.5], [17.5, 2000.5]]


def test_the_error_is_the_spread_over_other_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    task = Regression(("x",), (0.0,), (1.0,))
    targets = torch.randn(4000, 1, generator=generator, dtype=torch.float64)
    outputs = (targets + torch.randn(4000, 1, generator=generator) / 2).float()
    parts = [evaluated(outputs[i : i + 100], targets[i : i + 100], task) for i in range(0, 4000, 100)]
    errors, found = [part.error or 0 for part in parts], parts[0]
    assert np.mean(errors) == pytest.approx(np.std([part.score for part in parts], ddof=1), rel=0.25)
    low, high = found.interval or (0, 0)
    assert high - low == pytest.approx(2 * 1.959964 * (found.error or 0))


def test_remarks() -> None:
    outputs, targets = drawn()
    each = "angle: R² "
    assert TASK.remarks(evaluated(outputs, targets), 90.0)[0].startswith(each)
    constant = evaluated(torch.zeros(50, 2), targets)
    assert "the answers for all 50 test images are equal" in TASK.remarks(constant)[1]
    assert "are memorised" in TASK.remarks(evaluated(outputs + 1, targets), 99.0)[1]
    assert "no better than always answering the mean" in TASK.remarks(evaluated(-outputs, targets))[1]


def test_words() -> None:
    metrics = {"train_loss": 0.5, "train_mae": 1234.5, "validation_r2": -3.0, "train_rmse": 2.0}
    assert TASK.in_words(metrics) == "train loss 0.500, train MAE 1234, validation R² -3.0 %"
    assert TASK.result_line(evaluated(*drawn()).summary()).startswith("test R²: ")


class FakeData:
    """What a task reads of a data set."""

    task = "regression"
    classes = ("x",)

    def __init__(self, **options: Any) -> None:
        self.options = DataOptions(**options)
        self.train = self
        self.labels = np.array([[1.0], [2.0], [6.0]])


def test_settings_that_fit_and_those_that_do_not() -> None:
    data: Any = FakeData()
    task = task_of(data, OptimSettings(loss="huber"))
    assert isinstance(task, Regression)
    assert (task.mean, task.std) == ((3.0,), pytest.approx((np.std([1, 2, 6]),)))
    assert (task.kind, task.standardised, task.outputs) == ("huber", True, 1)
    with pytest.raises(AutodasError, match="is for classes, but the task is regression: set it to 0"):
        task_of(data, OptimSettings(label_smoothing=0.1))
    balanced: Any = FakeData(balance="weights")
    with pytest.raises(AutodasError, match="is for classes, but the task is regression: omit it"):
        task_of(balanced, OptimSettings())


def test_facts_of_a_damaged_file() -> None:
    facts = TASK.facts()
    for name, value in (("std", [0.0, 1.0]), ("mean", [1.0]), ("loss", "l1"), ("mean", "a")):
        with pytest.raises(AutodasError, match=f"task: {name}"):
            task_from(NAMES, {**facts, name: value})
    del facts["std"]
    with pytest.raises(AutodasError, match="'std' is missing"):
        task_from(NAMES, facts)


def test_noise_has_the_form_of_targets() -> None:
    noise = TASK.noise(30, "cpu")
    assert (noise.shape, noise.dtype) == ((30, 2), torch.float64)
