"""What accuracies are worth: intervals, balanced accuracy, and the sentences about them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from autodas.accuracy import in_words, standard_error, wilson_interval
from autodas.loop.tasks import ClassEvaluation, remarks


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_as_published(right: int, count: int, low: float, high: float) -> None:
    found = wilson_interval(100 * right / count, count)
    assert found == pytest.approx((100 * low, 100 * high), abs=0.006)


def test_ten_of_ten_is_no_certainty() -> None:
    assert in_words(100.0, 10, "pictures") == "100.0 % (10 pictures, 95 % interval 72.2 to 100.0)"
    assert standard_error(100.0, 10) == pytest.approx(100 / 22)
    assert standard_error(50.0, 10_000) == pytest.approx(0.5, rel=1e-3)
    assert wilson_interval(0.0, 0) == (0.0, 100.0)


def evaluation(labels: list[int], predicted: list[int], names: str = "abc") -> ClassEvaluation:
    logits = F.one_hot(torch.tensor(predicted), len(names)).float()
    right = sum(p == q for p, q in zip(labels, predicted, strict=True))
    numbers = torch.arange(len(labels))
    top1 = 100 * right / len(labels)
    return ClassEvaluation(
        outputs=logits,
        targets=torch.tensor(labels),
        indices=numbers,
        loss=1.0,
        top1=top1,
        top5=None,
        classes=tuple(names),
    )


def test_the_largest_class_alone_is_told_beside_the_accuracy() -> None:
    # 93 and 3 pictures, everything taken for the larger class: 96.9 % that say nothing.
    found = evaluation([0] * 93 + [1] * 3, [0] * 96, "ab")
    summary = found.summary()
    assert summary["top1"] == summary["majority"] == pytest.approx(100 * 93 / 96)
    assert summary["balanced"] == 50.0
    assert summary["recalls"] == {"a": 100.0, "b": 0.0}
    one, unbalanced = remarks(found)
    assert one.startswith("all 96 test images are classified as a:")
    assert (
        "balanced accuracy (mean recall of the classes) 50.0 %, macro F1 49.2 %; recalls: b 0.0 %, a 100.0 %"
        in (unbalanced)
    )


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        # chisquare([6, 3]).pvalue is 0.32, of [4, 9, 5] 0.31: a split by lot makes such sizes.
        ((6, 3), False),
        ((4, 9, 5), False),
        # Of [30, 10] it is 0.0016, of [9, 1] 0.011, of [12, 1] 0.0023.
        ((30, 10), True),
        ((9, 1), False),
        ((12, 1), True),
    ],
)
def test_classes_are_unbalanced_only_beyond_chance(sizes: tuple[int, ...], said: bool) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    found = evaluation(labels, labels)
    assert any(remark.startswith("unbalanced classes") for remark in remarks(found)) == said
    # Those trained on were unbalanced, whatever was tested.
    assert remarks(found, trained=(40, 20))[-1].startswith("unbalanced classes")


def test_a_class_without_samples_has_no_recall() -> None:
    found = evaluation([0, 0, 1, 1], [0, 1, 1, 1])
    assert found.recalls == [50.0, 100.0, None]
    assert found.balanced == 75.0


def test_learning_by_heart_is_said() -> None:
    labels = [n % 6 for n in range(60)]
    # One in four is right.
    predicted = [label if n % 4 == 0 else (label + 1) % 6 for n, label in enumerate(labels)]
    found = evaluation(labels, predicted, "abcdef")
    assert found.top1 == 25.0
    (said,) = remarks(found, train_score=97.0)
    assert "97.0 % on the training images, 25.0 % on the test images" in said
    assert "the largest class alone: 16.7 %" in said
    assert "memorised, and nothing else is learned" in said
    (said,) = remarks(found, train_score=30.0)
    assert said.startswith("no better than always predicting a, which is correct for 16.7 %")


def test_an_ordinary_result_needs_no_remark() -> None:
    labels = [n % 3 for n in range(90)]
    predicted = [label if n % 10 else (label + 1) % 3 for n, label in enumerate(labels)]
    assert remarks(evaluation(labels, predicted), train_score=95.0) == []


def test_the_error_of_many_samples_is_that_of_a_proportion() -> None:
    assert standard_error(98.0, 3600) == pytest.approx(100 * math.sqrt(0.98 * 0.02 / 3600), rel=0.01)
