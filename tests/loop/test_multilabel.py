"""Several labels a sample: losses, metrics and thresholds against scikit-learn and numbers by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score
from torch import Tensor, nn

from autodas.data import Batch, DataOptions
from autodas.errors import AutodasError
from autodas.loop.tasks import LabelEvaluation, Multilabel, Task, task_from
from autodas.loop.tasks._ranking import average_precision, best_threshold, mean_average_precision
from autodas.settings import OptimSettings

CLASSES = ("ant", "bee", "cat")
TASK = Multilabel(CLASSES)


def drawn(count: int = 60, classes: int = 3, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels that have something to do with each other; with few values if there are ties."""
    generator = np.random.default_rng(count + classes)
    labels = (generator.random((count, classes)) < 0.3).astype(np.uint8)
    scores = labels + generator.normal(size=labels.shape)
    return (np.round(scores) if ties else scores).astype(np.float32), labels


def evaluated(logits: Any, labels: Any, task: Multilabel = TASK) -> LabelEvaluation:
    outputs, targets = torch.as_tensor(logits), torch.as_tensor(labels, dtype=torch.uint8)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(outputs), 7):
            part = slice(start, start + 7)
            yield Batch(outputs[part], targets[part], torch.arange(len(outputs))[part])

    return task.evaluate(lambda images: images, batches())


def test_the_loss_is_the_mean_over_samples_and_classes() -> None:
    logits, labels = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[1, 1, 0]], dtype=torch.uint8)
    each = [math.log1p(math.exp(-2)), math.log1p(math.exp(1)), math.log(2)]
    assert float(TASK.loss(logits, labels)) == pytest.approx(sum(each) / 3)


def test_positives_are_weighted_and_targets_smoothed_in_training_only() -> None:
    task = Multilabel(CLASSES, label_smoothing=0.2, positive_weights=(3.0, 1.0, 1.0))
    logits, labels = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[1, 1, 0]], dtype=torch.uint8)

    def bce(x: float, t: float, weight: float = 1.0) -> float:
        return weight * t * math.log1p(math.exp(-x)) + (1 - t) * math.log1p(math.exp(x))

    # 1 becomes 0.9 and 0 becomes 0.1.
    wanted = (bce(2, 0.9, 3) + bce(-1, 0.9) + bce(0, 0.1)) / 3
    assert float(task.training_loss(logits, labels)) == pytest.approx(wanted)
    assert float(task.loss(logits, labels)) == pytest.approx(float(TASK.loss(logits, labels)))


@pytest.mark.parametrize("ties", [False, True])
def test_metrics_against_scikit_learn(ties: bool) -> None:
    scores, labels = drawn(ties=ties)
    found = evaluated(scores, labels)
    each = [100 * average_precision_score(labels[:, k], scores[:, k]) for k in range(3)]
    assert found.average_precisions == pytest.approx(each)
    assert found.score == found.metrics["map"] == pytest.approx(np.mean(each))
    predicted = scores >= 0  # a probability of 1/2
    assert found.metrics["micro_f1"] == pytest.approx(100 * f1_score(labels, predicted, average="micro"))
    assert found.metrics["macro_f1"] == pytest.approx(100 * f1_score(labels, predicted, average="macro"))
    of_bee = found.summary()["classes"]["bee"]
    assert of_bee["f1"] == pytest.approx(100 * f1_score(labels[:, 1], predicted[:, 1]))
    assert (of_bee["threshold"], of_bee["positives"]) == (0.5, labels[:, 1].sum())
    assert tuple(found.metrics) == Multilabel.evaluated
    assert found.summary()["chance"] == pytest.approx(100 * labels.mean())


def test_weighted_average_precision_is_that_of_repeated_samples() -> None:
    scores, labels = drawn(ties=True)
    weights = np.random.default_rng(0).integers(0, 4, (5, len(scores)))
    found = mean_average_precision(scores, labels, weights.astype(float))
    for row, value in zip(weights, found, strict=True):
        chosen = np.repeat(np.arange(len(scores)), row)
        each = [average_precision_score(labels[chosen, k], scores[chosen, k]) for k in range(3)]
        assert value == pytest.approx(np.mean(each))


def test_classes_without_positives_are_left_out_of_the_means_and_told() -> None:
    scores, labels = drawn()
    labels[:, 1] = 0
    found = evaluated(scores, labels)
    assert found.average_precisions[1] is None
    assert np.isnan(average_precision(scores[:, 1], labels[:, 1])[0])
    kept = [0, 2]
    each = [100 * average_precision_score(labels[:, k], scores[:, k]) for k in kept]
    assert found.score == pytest.approx(np.mean(each))
    macro = f1_score(labels[:, kept], scores[:, kept] >= 0, average="macro")
    assert found.metrics["macro_f1"] == pytest.approx(100 * macro)
    assert any(
        "1 of 3 classes have no test images and are left out of the means: bee" in r
        for r in TASK.remarks(found)
    )
    with pytest.raises(AutodasError, match="none of the 60 evaluated samples has a label"):
        _ = evaluated(scores, 0 * labels).score


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_against_all_of_them(seed: int) -> None:
    generator = np.random.default_rng(seed)
    probabilities = np.round(generator.random(12), 1 if seed % 2 else 6)
    labels = (generator.random(12) < 0.4).astype(np.uint8)
    labels[0] = 1
    found = best_threshold(probabilities, labels, 0.5)
    # Between, below and above all probabilities.
    cuts = sorted({0.0, 1.1, *probabilities, *(probabilities + 1e-3)})
    best = max(f1_score(labels, probabilities >= cut, zero_division=0) for cut in cuts)
    assert f1_score(labels, probabilities >= found) == pytest.approx(best)
    assert best_threshold(probabilities, 0 * labels, 0.25) == 0.25


def test_thresholds_are_found_on_held_out_samples_and_used() -> None:
    logits = torch.tensor([[-2.0, 3.0, 0.0], [-3.0, 2.0, 1.0], [-4.0, 1.0, 2.0]])
    labels = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.uint8)
    network = nn.Linear(1, 3)
    assert TASK.finish(network, None) == TASK
    task = TASK.finish(network, lambda: evaluated(logits, labels))
    middle = lambda a, b: (1 / (1 + math.exp(-a)) + 1 / (1 + math.exp(-b))) / 2  # noqa: E731
    assert task.thresholds == pytest.approx((middle(-3, -4), middle(3, 2), 0.5))
    found = evaluated(logits, labels, task)
    assert torch.equal(found.predicted[:, :2], labels[:, :2] > 0)
    assert [g["class"] for g in task.predict(torch.tensor([[-2.9, 2.0, -1.0]]), None)] == ["ant"]
    assert TASK.predict(torch.tensor([[-2.9, -2.0, -1.0]]), None) == []
    assert TASK.prediction_in_words([]) == "no label"
    again = task_from(CLASSES, task.facts())
    assert again == task
    assert task_from(CLASSES, TASK.facts()) == TASK
    assert any("no samples were held out" in remark for remark in TASK.remarks(found))
    assert not any("held out" in remark for remark in task.remarks(found))


def test_predictions_are_means_over_views_above_the_threshold() -> None:
    views = torch.tensor([[0.9, 0.6, 0.2], [0.5, 0.2, 0.9]]).logit()
    found = TASK.predict(views, None)
    assert [(g["class"], round(g["probability"], 6)) for g in found] == [("ant", 0.7), ("cat", 0.55)]
    assert len(TASK.predict(views, 1)) == 1
    assert TASK.prediction_in_words(found) == "ant 70.0 %, cat 55.0 %"


def test_the_score_of_a_video_is_the_mean_of_its_clips() -> None:
    clips = torch.tensor([[0.9, 0.3], [0.5, 0.1], [0.2, 0.8]]).logit().double()[:, None, None, None]
    batches = [
        Batch(clips, torch.tensor([[1, 0], [1, 0], [0, 1]], dtype=torch.uint8), torch.tensor([5, 5, 2]))
    ]
    task = Multilabel(("a", "b"))
    found = task.evaluate(lambda images: images[:, 0, 0, 0], batches)
    assert (found.clips, found.count, found.indices.tolist()) == (3, 2, [2, 5])
    assert torch.allclose(found.probabilities, torch.tensor([[0.2, 0.8], [0.7, 0.2]]).double())
    assert found.targets.tolist() == [[0, 1], [1, 0]]
    assert found.loss == pytest.approx(-(math.log(0.8) * 3 + math.log(0.7)) / 4, rel=1e-6)
    other = task.evaluate(lambda images: -images[:, 0, 0, 0], batches)
    fused = task.fuse([found, other])
    assert torch.allclose(fused.probabilities, torch.full((2, 2), 0.5).double())
    assert fused.clips == 6


def test_the_error_shrinks_with_the_square_root_of_the_samples() -> None:
    generator = np.random.default_rng(0)
    labels = (generator.random((800, 1)) < 0.5).astype(np.uint8)
    scores = (labels + generator.normal(size=labels.shape)).astype(np.float32)
    task = Multilabel(("a",))
    small, large = evaluated(scores[:200], labels[:200], task), evaluated(scores, labels, task)
    assert small.error is not None
    assert large.error is not None
    assert small.error / large.error == pytest.approx(2, rel=0.25)
    # The spread of the score over other samples of the same size.
    others = [
        100 * average_precision_score(labels[i : i + 50, 0], scores[i : i + 50, 0]) for i in range(0, 800, 50)
    ]
    assert small.error == pytest.approx(np.std(others, ddof=1) / 2, rel=0.5)
    low, high = large.interval or (0, 0)
    assert high - low == pytest.approx(2 * 1.959964 * large.error)
    assert evaluated(scores, labels, task).summary() == large.summary()


def test_the_meter_agrees_with_the_evaluation() -> None:
    scores, labels = drawn()
    meter = TASK.meter()
    outputs, targets = torch.tensor(scores), torch.tensor(labels)
    for part in (slice(0, 10), slice(10, 60)):
        meter.add(TASK.loss(outputs[part], targets[part]), outputs[part], targets[part])
    found = evaluated(scores, labels)
    assert meter.result("train_") == {
        "train_loss": pytest.approx(found.loss, rel=1e-5),
        "train_micro_f1": pytest.approx(found.metrics["micro_f1"]),
    }
    assert tuple(meter.result()) == Multilabel.metrics
    assert meter.count == 60


def test_a_part_of_the_samples_has_its_own_numbers() -> None:
    scores, labels = drawn()
    chosen = torch.arange(60) % 2 == 0
    part = evaluated(scores, labels).some(chosen)
    assert part.metrics == evaluated(scores[::2], labels[::2]).metrics


def test_noise_has_the_form_of_targets() -> None:
    noise = TASK.noise(300, "cpu")
    assert (noise.shape, noise.dtype) == ((300, 3), torch.uint8)
    assert set(noise.flatten().tolist()) == {0, 1}


def test_words() -> None:
    metrics = {"train_loss": 0.5, "train_micro_f1": 40.0, "validation_map": 33.333, "test_map": None}
    assert TASK.in_words(metrics) == "train loss 0.500, train micro F1 40.0 %, validation mAP 33.3 %"
    line = TASK.result_line(evaluated(*drawn()).summary())
    assert line.startswith("test mAP: ")
    assert "(60 images, 95 % interval " in line


class FakeData:
    """What a task reads of a data set."""

    task = "multilabel"
    classes = CLASSES

    def __init__(self, **options: Any) -> None:
        self.options = DataOptions(**options)
        self.train = FakeSplit()


class FakeSplit:
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)

    def __len__(self) -> int:
        return 4


def made(**options: Any) -> Task[Any]:
    from autodas.loop.tasks import task_of

    optim = OptimSettings(**{k: options.pop(k) for k in list(options) if k in ("loss", "label_smoothing")})
    return task_of(FakeData(**options), optim)  # type: ignore[arg-type]


def test_settings_that_fit_and_those_that_do_not() -> None:
    assert made(label_smoothing=0.1) == Multilabel(CLASSES, 0.1)
    # Negatives divided by positives: 1/3 and 3/1; without positives nothing is changed.
    weighted = made(balance="weights")
    assert isinstance(weighted, Multilabel)
    assert weighted.positive_weights == pytest.approx((1 / 3, 3.0, 1.0))
    with pytest.raises(AutodasError, match="is for one class a sample"):
        made(balance="sampler")
    with pytest.raises(AutodasError, match="is for regression, but the task is multilabel"):
        made(loss="huber")


def test_facts_of_a_damaged_file() -> None:
    for thresholds in ([0.5], [0.5, 2.0, 0.5], ["a", "b", "c"]):
        with pytest.raises(AutodasError, match="task: thresholds"):
            task_from(CLASSES, {"name": "multilabel", "thresholds": thresholds})
    with pytest.raises(AutodasError, match="unknown task 'poetry'"):
        task_from(CLASSES, {"name": "poetry"})


def test_gradients_of_parts_add_up_to_that_of_the_batch() -> None:
    task = Multilabel(CLASSES, 0.1, (3.0, 0.5, 2.0))
    scores, labels = drawn(12)
    outputs = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor(labels)
    (whole,) = torch.autograd.grad(task.training_loss(outputs, targets), outputs)

    def part(chosen: slice, share: float) -> Tensor:
        return share * task.training_loss(outputs[chosen], targets[chosen])

    (parts,) = torch.autograd.grad(part(slice(0, 4), 1 / 3) + part(slice(4, 12), 2 / 3), outputs)
    assert torch.allclose(whole, parts, rtol=1e-12)
