"""Metrics of COCO, against average precisions worked out by hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pytest
from tests.detection.conftest import Box

from autodas.detection import AnnotatedImage, Prediction, coco_metrics
from autodas.errors import AutodasError

pytest.importorskip("faster_coco_eval")

CLASSES = ("cell", "spot", "none")


def image(*boxes: Box, ignored: Sequence[bool] = ()) -> AnnotatedImage:
    edges = np.array([box[1:] for box in boxes], dtype=float).reshape(-1, 4)
    labels = np.array([CLASSES.index(box[0]) for box in boxes], dtype=np.int64)
    hidden = np.array(ignored or [False] * len(boxes), dtype=bool)
    return AnnotatedImage("x", "x.png", "x.xml", 100, 100, edges, labels, hidden)


def found(*boxes: tuple[str, float, float, float, float, float]) -> Prediction:
    """Boxes with a score at the end."""
    edges = np.array([box[1:5] for box in boxes], dtype=float).reshape(-1, 4)
    labels = np.array([CLASSES.index(box[0]) for box in boxes], dtype=np.int64)
    return Prediction(edges, labels, np.array([box[5] for box in boxes], dtype=float))


TWO = image(("cell", 0, 0, 10, 10), ("cell", 20, 20, 40, 40))


def test_a_wrong_box_between_two_right_ones() -> None:
    prediction = found(
        ("cell", 0, 0, 10, 10, 0.9), ("cell", 50, 50, 60, 60, 0.8), ("cell", 20, 20, 40, 40, 0.7)
    )
    result = coco_metrics([TWO], [prediction], CLASSES)
    # Precision 1 up to a recall of 0.5 (51 of the 101 recalls), 2/3 beyond, at every threshold.
    expected = 100 * (51 + 50 * 2 / 3) / 101
    assert [result.map, result.map50, result.map75] == pytest.approx([expected] * 3)
    assert result.per_class["cell"] == {"ap": pytest.approx(expected), "ap50": pytest.approx(expected)}
    assert result.per_class["spot"] == {"ap": None, "ap50": None}
    assert (result.count, result.boxes) == (1, 2)


def test_overlap_decides_by_threshold() -> None:
    # 10 x 7 of 10 x 10: an intersection over union of 0.7, right at 0.5, 0.55, 0.6, 0.65 and 0.7.
    one = image(("cell", 0, 0, 10, 10))
    result = coco_metrics([one], [found(("cell", 0, 0, 10, 7, 0.9))], CLASSES)
    assert result.map == pytest.approx(50)
    assert result.map50 == pytest.approx(100)
    assert result.map75 == 0


def test_classes_count_alike() -> None:
    images = [image(("cell", 0, 0, 10, 10)), image(*[("spot", 10 * i, 0, 10 * i + 8, 8) for i in range(9)])]
    result = coco_metrics(images, [found(("cell", 0, 0, 10, 10, 0.5)), found()], CLASSES)
    assert result.map50 == pytest.approx(50)  # of 100 and 0, whatever the number of boxes
    assert result.boxes == 10


def test_a_box_is_found_once() -> None:
    twice = found(("cell", 0, 0, 10, 10, 0.9), ("cell", 0, 0, 10, 10, 0.8), ("cell", 20, 20, 40, 40, 0.7))
    result = coco_metrics([TWO], [twice], CLASSES)
    assert result.map50 == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)


def test_another_class_is_wrong() -> None:
    result = coco_metrics([image(("cell", 0, 0, 9, 9))], [found(("spot", 0, 0, 9, 9, 0.9))], CLASSES)
    assert result.map50 == 0
    assert result.per_class["spot"]["ap50"] is None


def test_ignored_boxes_neither_help_nor_hurt() -> None:
    group = image(("cell", 0, 0, 10, 10), ("cell", 20, 20, 40, 40), ignored=[False, True])
    # Two boxes inside the ignored one come before the right one.
    prediction = found(
        ("cell", 20, 20, 40, 40, 0.9), ("cell", 20, 20, 30, 30, 0.8), ("cell", 0, 0, 10, 10, 0.5)
    )
    result = coco_metrics([group], [prediction], CLASSES)
    assert result.map50 == pytest.approx(100)
    assert result.boxes == 1
    assert coco_metrics([group], [found()], CLASSES).map50 == 0


def test_scores_compare_over_all_images() -> None:
    images = [image(("cell", 0, 0, 10, 10)), image()]
    wrong_first = [found(("cell", 0, 0, 10, 10, 0.4)), found(("cell", 0, 0, 10, 10, 0.6))]
    # Precision 1/2 at the only recall.
    assert coco_metrics(images, wrong_first, CLASSES).map50 == pytest.approx(50)


def test_only_the_best_hundred_boxes_of_an_image_count() -> None:
    one = image(("cell", 0, 0, 10, 10))
    wrong = [("cell", 50, 50, 60, 60, 0.9)] * 99
    last = ("cell", 0, 0, 10, 10, 0.1)
    assert coco_metrics([one], [found(*wrong, last)], CLASSES).map50 == pytest.approx(1)
    assert coco_metrics([one], [found(*wrong, wrong[0], last)], CLASSES).map50 == 0


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(AutodasError, match=r"pip install 'autodas\[detection\]'"):
        coco_metrics([TWO], [found()], CLASSES)
