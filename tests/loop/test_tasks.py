"""Tasks: what loops and commands ask of them, above all of single-label classification."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from autodas.data import Batch
from autodas.loop.tasks import Classification, Multilabel, Regression, Task, task_of
from autodas.runs.scores import common_score, score_of
from autodas.settings import OptimSettings

TASK = Classification(("ant", "bee", "cat"), label_smoothing=0.3)


def test_the_data_say_what_is_asked() -> None:
    from autodas.data import open_dataset

    dataset = open_dataset("digits", subset=40)
    task = task_of(dataset, OptimSettings(label_smoothing=0.2))
    counts = tuple(np.bincount(dataset.train.labels).tolist())
    assert task == Classification(dataset.classes, 0.2, counts)
    assert task.outputs == 10
    assert Classification(7).outputs == 7


def test_only_training_smooths_labels() -> None:
    logits, labels = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])
    logs = logits.log_softmax(1)[0]
    assert float(TASK.loss(logits, labels)) == pytest.approx(float(-logs[0]))
    smoothed = -(0.7 * logs[0] + 0.3 * logs.mean())
    assert float(TASK.training_loss(logits, labels)) == pytest.approx(float(smoothed))


def test_a_prediction_is_the_mean_over_views() -> None:
    # Probabilities (0.5, 0.25, 0.25) and (0.1, 0.7, 0.2): together 0.3, 0.475, 0.225.
    views = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.7, 0.2]]).log()
    found = TASK.predict(views, 2)
    assert [guess["class"] for guess in found] == ["bee", "ant"]
    assert [guess["probability"] for guess in found] == pytest.approx([0.475, 0.3])
    assert [*found[0]] == list(TASK.prediction_columns)
    assert TASK.prediction_in_words(found) == "bee 47.5 %, ant 30.0 %"
    assert len(TASK.predict(views, 9)) == 3, "there are no more classes"


def test_the_line_about_a_test() -> None:
    summary = {"top1": 50.0, "count": 10}
    assert TASK.result_line(summary).startswith("test accuracy: 50.0 % (10 images, 95 % interval 23.7")
    more = {**summary, "top5": 90.0, "clips": 40, "clip_top1": 45.0}
    assert TASK.result_line(more).endswith("; top-5 90.0 %; single clips 45.0 %")
    assert "10 videos" in TASK.result_line(more)


def test_an_evaluation_waits_for_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[torch.Size] = []

    def cpu(self: torch.Tensor) -> torch.Tensor:
        copies.append(self.shape)
        return self

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    batches = [Batch(torch.randn(2, 3), torch.tensor([0, 1]), torch.arange(2) + 2 * n) for n in range(5)]
    found = TASK.evaluate(lambda images: images, batches)
    assert found.count == 10
    assert copies[:3] == [(10, 3), (10,), (10,)]


def test_noise_has_the_form_of_targets() -> None:
    noise = TASK.noise(500, "cpu")
    assert noise.shape == (500,)
    assert set(noise.tolist()) == {0, 1, 2}


def test_the_metrics_of_a_meter_are_those_of_the_task() -> None:
    meter = Classification(10).meter()
    logits, labels = torch.randn(4, 10), torch.arange(4)
    meter.add(Classification(10).loss(logits, labels), logits, labels)
    assert tuple(meter.result()) == Classification.metrics
    assert Classification.score in Classification.metrics


def test_a_task_says_everything() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Task()  # type: ignore[abstract]


TASKS = {
    "plain": Classification(4, 0.1),
    "weights": Classification(4, counts=(4, 1, 1, 2), balance="weights"),
    "labels": Multilabel(tuple("abcd"), 0.1, (1.0, 2.0, 3.0, 4.0)),
    "targets": Regression(tuple("abcd"), (1.0,) * 4, (2.0,) * 4, "huber"),
    "units": Regression(tuple("abcd"), (1.0,) * 4, (2.0,) * 4, standardised=False),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_step_of_any_task_can_be_recorded(name: str, tape: Any) -> None:
    """The host neither waits for the device nor copies numbers to it; a repetition does the same again."""
    task = TASKS[name]
    outputs, targets = torch.randn(6, 4, requires_grad=True), task.noise(6, "cpu")
    meter, gradient = task.meter(), torch.zeros(6, 4)

    def step() -> None:
        loss = task.training_loss(outputs, targets)
        gradient.copy_(torch.autograd.grad(loss, outputs)[0])
        meter.add(loss.detach(), outputs.detach(), targets)

    step()  # what is sent to the device once
    first = {key: value * 2 for key, value in meter.result().items() if key == "loss"}
    with tape(strict=True) as recorded:
        step()
    wanted = gradient.clone()
    gradient.zero_()
    recorded.play()
    assert torch.equal(gradient, wanted)
    assert meter.count == 18
    assert meter.result()["loss"] * 2 == pytest.approx(first["loss"])


@pytest.mark.parametrize("name", TASKS)
def test_the_score_of_a_task_is_the_one_that_pages_know(name: str) -> None:
    task = TASKS[name]
    score = score_of(task.name)
    assert (task.score, task.score_words) == (score.metric, score.words)
    assert task.score in task.evaluated
    assert task.metrics[0] == task.evaluated[0] == "loss"
    assert (task.error(50.0, 100) is not None) is score.proportion


def test_tasks_of_runs() -> None:
    assert score_of(None).metric == score_of("of a newer version").metric == "top1"
    assert common_score([None, "classification"]) == score_of(None)
    assert common_score(["multilabel", "regression"]) is None
