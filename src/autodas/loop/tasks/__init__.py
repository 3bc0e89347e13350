"""Tasks of networks: one file for each task, and the parts that they share."""

from __future__ import annotations

from typing import Any

from autodas.data import ImageDataset
from autodas.loop.tasks._accuracy_meter import AccuracyMeter, correct_in_top
from autodas.loop.tasks._class_evaluation import ClassEvaluation
from autodas.loop.tasks._class_files import EXAMPLES
from autodas.loop.tasks._class_remarks import remarks
from autodas.loop.tasks._classification import Classification
from autodas.loop.tasks._evaluation import Evaluation
from autodas.loop.tasks._meter import Meter
from autodas.loop.tasks._task import Task
from autodas.settings import OptimSettings

__all__ = [
    "EXAMPLES",
    "AccuracyMeter",
    "ClassEvaluation",
    "Classification",
    "Evaluation",
    "Meter",
    "Task",
    "correct_in_top",
    "remarks",
    "task_of",
]


def task_of(dataset: ImageDataset, optim: OptimSettings) -> Task[Any]:
    """Return the task that a data set poses.

    Args:
        dataset: the data set to search or train on.
        optim: settings of the weights' optimiser, some of which regularise the loss.
    """
    return Classification(dataset.classes, optim.label_smoothing)
