"""Single-label classification as a task: what loops and commands ask of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autodas.data import Batch
from autodas.loop.tasks import Classification, Task, task_of
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
