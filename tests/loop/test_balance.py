"""Classes of different sizes: weights of losses, and numbers that large classes do not dominate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score
from torch.nn import functional as F

from autodas.data import balanced, open_dataset
from autodas.loop.tasks import Classification, Evaluation, task_of
from autodas.settings import OptimSettings

COUNTS = (6, 3, 1)
TASK = Classification(("a", "b", "c"), counts=COUNTS, balance="weights")


def evaluated(logits: torch.Tensor, labels: torch.Tensor, task: Classification = TASK) -> Any:
    meter = task.meter()
    meter.add(task.loss(logits, labels), logits, labels)
    return task.evaluation(meter.result(), logits, labels, torch.arange(len(labels)), None)


def test_weights_by_hand() -> None:
    # n / (k n_c): 10 / (3 * 6), 10 / (3 * 3), 10 / 3; their mean over all samples is 1.
    assert TASK.weights == pytest.approx((5 / 9, 10 / 9, 10 / 3))
    assert np.dot(TASK.weights, COUNTS) / 10 == pytest.approx(1)
    # A class without samples neither counts nor matters.
    assert Classification(3, counts=(6, 0, 2), balance="weights").weights == pytest.approx((2 / 3, 0, 2))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_weighted_loss(smoothing: float) -> None:
    task = Classification(3, smoothing, COUNTS, "weights")
    logits, labels = torch.randn(8, 3, dtype=torch.float64), torch.arange(8) % 3
    each = [
        F.cross_entropy(logits[i : i + 1], labels[i : i + 1], label_smoothing=smoothing) for i in range(8)
    ]
    wanted = sum(task.weights[int(y)] * float(loss) for y, loss in zip(labels, each, strict=True)) / 8
    assert float(task.training_loss(logits, labels)) == pytest.approx(wanted)
    if not smoothing:
        # torch divides by the sum of the weights, which differs between parts of a batch.
        weights = torch.tensor(task.weights, dtype=torch.float64)
        of_torch = F.cross_entropy(logits, labels, weight=weights) * weights[labels].sum() / 8
        assert float(task.training_loss(logits, labels)) == pytest.approx(float(of_torch))
    parts = sum(
        share * task.training_loss(logits[p], labels[p])
        for p, share in ((slice(0, 2), 0.25), (slice(2, 8), 0.75))
    )
    assert float(parts) == pytest.approx(wanted)
    # Evaluations and the architecture step use the plain loss.
    assert float(task.loss(logits, labels)) == pytest.approx(float(F.cross_entropy(logits, labels)))
    plain = Classification(3, smoothing, COUNTS)
    assert float(plain.training_loss(logits, labels)) == pytest.approx(sum(map(float, each)) / 8)


def test_numbers_against_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    logits = torch.randn(100, 3, generator=generator) + 1.5 * F.one_hot(labels, 3)
    found, predicted = evaluated(logits, labels), logits.argmax(1)
    assert found.balanced == pytest.approx(100 * balanced_accuracy_score(labels, predicted))
    assert found.macro_f1 == pytest.approx(100 * f1_score(labels, predicted, average="macro"))
    summary = found.summary()
    assert (summary["balanced"], summary["macro_f1"]) == (found.balanced, found.macro_f1)
    # Classes without samples are left out of the means.
    some = found.some(labels < 2)
    assert some.macro_f1 == pytest.approx(
        100 * f1_score(labels[:90], predicted[:90], average="macro", labels=[0, 1])
    )


def test_unbalanced_training_samples_are_told_of_a_balanced_test() -> None:
    labels = torch.arange(9) % 3
    logits = F.one_hot(labels, 3).float() * 3
    logits[0] = -logits[0]
    found = evaluated(logits, labels)
    (told,) = TASK.remarks(found)
    assert told.startswith(
        "unbalanced classes: the largest has 6 training images, the smallest 1; balanced accuracy"
    )
    assert "macro F1" in told
    assert "recalls: a 66.7 %, b 100.0 %, c 100.0 %" in told
    assert Classification(("a", "b", "c"), counts=(3, 2, 2)).remarks(found) == []


def test_the_data_set_and_its_options_make_the_task() -> None:
    data = open_dataset("digits", subset=60, balance="sampler")
    task = task_of(data, OptimSettings())
    assert isinstance(task, Classification)
    assert task.counts == tuple(np.bincount(data.train.labels).tolist())
    assert task.sampler is balanced
    assert task_of(open_dataset("digits", subset=60), OptimSettings()).sampler is None
    assert isinstance(evaluated(torch.eye(3), torch.arange(3)), Evaluation)
