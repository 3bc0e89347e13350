"""Training and evaluation of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autodas.detection._detector import Detector
from autodas.detection._loader import BoxLoader
from autodas.detection._metrics import DetectionEvaluation, Prediction, coco_metrics
from autodas.detection._task import Detection
from autodas.loop import Losses, counted_together
from autodas.progress import Progress
from autodas.training.fit import EpochLoop


class DetectorFit(EpochLoop):
    """Training of a detector; arguments as of :class:`~autodas.training.fit.EpochLoop`."""

    # Boxes are assigned to queries on the host.
    recordable = False
    network: Detector
    task: Detection

    def _losses(self, images: Tensor, labels: Tensor) -> Losses:
        with counted_together(self.norms):
            losses = self.network.losses(images, labels)
        return Losses(losses.total, losses.total, losses.last)

    def _evaluated(self, loader: BoxLoader, prefix: str) -> dict[str, Any]:
        evaluation = evaluate_detector(self.network, loader, self.task.classes, quiet=True)
        return {f"{prefix}{name}": value for name, value in evaluation.metrics.items()}


def evaluate_detector(
    detector: Detector, loader: BoxLoader, classes: Sequence[str], quiet: bool = False
) -> DetectionEvaluation:
    """Evaluate a detector in evaluation mode, and leave it in that mode.

    Args:
        detector: detector on the device of the batches.
        loader: images in their order.
        classes: names of the classes.
        quiet: whether to show no progress bar.

    Raises:
        AutodasError: as of :func:`find_boxes`, or if faster-coco-eval is not installed.
    """
    return coco_metrics(loader.images, find_boxes(detector, loader, quiet), classes)


@torch.no_grad()
def find_boxes(detector: Detector, loader: BoxLoader, quiet: bool = False) -> list[Prediction]:
    """Return the boxes that a detector finds in images, in their order; arguments as above.

    Raises:
        AutodasError: if scores are infinite or not a number.
    """
    detector.eval()
    predictions = []
    with Progress(len(loader), quiet=quiet, what="evaluating batches") as progress:
        for batch in loader.batches():
            found = detector(batch.images)
            sizes = [(loader.images[i].width, loader.images[i].height) for i in batch.indices.tolist()]
            predictions += [found.prediction(number, size) for number, size in enumerate(sizes)]
            progress.advance()
    return predictions
