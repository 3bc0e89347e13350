"""Metrics of COCO, computed by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autodas.detection._images import AnnotatedImage
from autodas.optional_imports import import_optional

_BEST = 100
"""Boxes of an image that count, those with the highest scores, as in COCO."""


@dataclass(frozen=True)
class Prediction:
    """Boxes found in an image.

    Args:
        boxes: float64 (N, 4): left, top, right and bottom edge in pixels.
        labels: int64 (N,), numbers of the classes.
        scores: float64 (N,), in 0..1.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    def some(self, chosen: np.ndarray | slice) -> Prediction:
        """Return some of the boxes, given by a mask or a slice."""
        return Prediction(self.boxes[chosen], self.labels[chosen], self.scores[chosen])


@dataclass(frozen=True)
class DetectionEvaluation:
    """Result of an evaluation, in percent.

    The average precision of a class at a threshold is the area under its curve of precision over recall, with
    the precision at 101 recalls made non-increasing; a box is right if it overlaps one of the same class that
    no box of a higher score has taken, with an intersection over union of at least the threshold.

    Args:
        map: mean over the thresholds 0.5, 0.55, ..., 0.95 and the classes ("AP" of COCO).
        map50: mean over the classes at 0.5.
        map75: mean over the classes at 0.75.
        per_class: average precision of each class over all thresholds, and at 0.5; ``None`` for classes
            without a box to find, which do not count.
        count: number of images.
        boxes: number of boxes to find.
    """

    map: float
    map50: float
    map75: float
    per_class: dict[str, dict[str, float | None]]
    count: int
    boxes: int

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics for logs."""
        return {"map": self.map, "map50": self.map50}

    def summary(self) -> dict[str, Any]:
        """Return the numbers for ``summary.json``."""
        return {
            "map": self.map,
            "map50": self.map50,
            "map75": self.map75,
            "count": self.count,
            "boxes": self.boxes,
            "per_class": self.per_class,
        }


def coco_metrics(
    images: Sequence[AnnotatedImage], predictions: Sequence[Prediction], classes: Sequence[str]
) -> DetectionEvaluation:
    """Compare boxes with those that are to be found.

    Boxes that are ignored neither count as missed, nor the boxes found in them as wrong.

    Args:
        images: the images with the boxes to find.
        predictions: boxes found in each of them.
        classes: names of the classes.

    Raises:
        AutodasError: if faster-coco-eval is not installed.
    """
    library = import_optional("faster_coco_eval", "detection")
    wanted, found = _truth(images, classes), _found(predictions)
    truth = library.COCO(wanted)
    # Older versions of the library cannot load that nothing was found.
    answers = truth.loadRes(found) if found else library.COCO({**wanted, "annotations": []})
    evaluation = library.COCOeval_faster(truth, answers, "bbox", print_function=lambda *_: None)
    evaluation.params.maxDets = [_BEST]
    evaluation.evaluate()
    evaluation.accumulate()
    # Thresholds x recalls x classes x areas x numbers of boxes; -1 for classes without a box to find.
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, 0]
    at_50, at_75 = 0, 5
    return DetectionEvaluation(
        map=_mean(precision) or 0.0,  # without boxes to find nothing can be right
        map50=_mean(precision[at_50]) or 0.0,
        map75=_mean(precision[at_75]) or 0.0,
        per_class={
            name: {"ap": _mean(precision[:, :, number]), "ap50": _mean(precision[at_50, :, number])}
            for number, name in enumerate(classes)
        },
        count=len(images),
        boxes=int(sum((~image.ignored).sum() for image in images)),
    )


def _mean(precision: np.ndarray) -> float | None:
    """Return the mean of what could be measured, in percent."""
    measured = precision[precision > -1]
    return 100 * float(measured.mean()) if measured.size else None


def _truth(images: Sequence[AnnotatedImage], classes: Sequence[str]) -> dict[str, Any]:
    boxes: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        for (left, top, right, bottom), label, ignored in zip(
            image.boxes.tolist(), image.labels.tolist(), image.ignored.tolist(), strict=True
        ):
            width, height = right - left, bottom - top
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": number,
                    "category_id": label + 1,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": int(ignored),
                }
            )
    return {
        "info": {},
        "images": [
            {"id": number, "width": image.width, "height": image.height}
            for number, image in enumerate(images, start=1)
        ],
        "annotations": boxes,
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
    }


def _found(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": number,
            "category_id": label + 1,
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        for number, prediction in enumerate(predictions, start=1)
        for (left, top, right, bottom), label, score in zip(
            prediction.boxes.tolist(), prediction.labels.tolist(), prediction.scores.tolist(), strict=True
        )
    ]
