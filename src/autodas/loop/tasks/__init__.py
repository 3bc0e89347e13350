"""Tasks of networks: one file for each task, and the parts that they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autodas.data import ImageDataset
from autodas.errors import AutodasError
from autodas.loop.tasks._accuracy_meter import AccuracyMeter, correct_in_top
from autodas.loop.tasks._class_evaluation import ClassEvaluation
from autodas.loop.tasks._class_remarks import remarks
from autodas.loop.tasks._classification import Classification
from autodas.loop.tasks._embedding import Embedding
from autodas.loop.tasks._evaluation import Evaluation
from autodas.loop.tasks._files import EXAMPLES
from autodas.loop.tasks._label_evaluation import LabelEvaluation
from autodas.loop.tasks._meter import Meter
from autodas.loop.tasks._multilabel import Multilabel
from autodas.loop.tasks._regression import Regression
from autodas.loop.tasks._regression_evaluation import RegressionEvaluation
from autodas.loop.tasks._retrieval import rank
from autodas.loop.tasks._retrieval_evaluation import RetrievalEvaluation
from autodas.loop.tasks._task import Task
from autodas.settings import EmbeddingSettings, OptimSettings
from autodas.user_code import allow_code_of, import_allowed, import_named, is_user_code

__all__ = [
    "EXAMPLES",
    "AccuracyMeter",
    "ClassEvaluation",
    "Classification",
    "Embedding",
    "Evaluation",
    "LabelEvaluation",
    "Meter",
    "Multilabel",
    "Regression",
    "RegressionEvaluation",
    "RetrievalEvaluation",
    "Task",
    "correct_in_top",
    "rank",
    "remarks",
    "task_from",
    "task_of",
]

TASKS: Mapping[str, type[Task[Any]]] = {
    task.name: task for task in (Classification, Multilabel, Regression, Embedding)
}


def task_of(
    dataset: ImageDataset, optim: OptimSettings, embedding: EmbeddingSettings | None = None
) -> Task[Any]:
    """Return the task that a data set poses.

    Args:
        dataset: the data set to search or train on.
        optim: settings of the weights' optimiser, some of which regularise the loss.
        embedding: settings of the task ``embedding``, for which others have no use.

    Raises:
        AutodasError: if settings do not fit the task, or it is the user's own and does not extend that of the
            data.
    """
    kind, own = TASKS[dataset.task], dataset.options.task
    if is_user_code(own):
        allow_code_of([own])
        kind = _extended(import_named(own, f"task '{own}'"), kind, own)
    if issubclass(kind, Embedding):
        task: Task[Any] = kind.of(dataset, optim, embedding)
    elif embedding not in (None, EmbeddingSettings()):
        raise AutodasError(f"settings of `embedding` are for `task=embedding`, not for {dataset.task}")
    else:
        task = kind.of(dataset, optim)
    if optim.loss != OptimSettings.loss and dataset.task != Regression.name:
        raise AutodasError(
            f"`optim.loss={optim.loss}` is for regression, but the task is {task.name}: omit it"
        )
    return task


def task_from(classes: tuple[str, ...], facts: Mapping[str, Any]) -> Task[Any]:
    """Return the task of a trained network.

    Args:
        classes: its classes, or the names of its targets.
        facts: plain data of :meth:`Task.facts`; without a name, as in earlier model files, classification.

    Raises:
        AutodasError: if the task is unknown, its data are invalid, or it is code that may not be imported.
    """
    name = facts.get("name", Classification.name)
    if name not in TASKS:
        raise AutodasError(f"unknown task {name!r}: made by a newer version")
    kind, own = TASKS[name], facts.get("code")
    if isinstance(own, str):
        kind = _extended(import_allowed(own, f"task '{own}'"), kind, own)
    return kind.from_facts(classes, facts)


def _extended(found: Any, kind: type[Task[Any]], path: str) -> type[Task[Any]]:
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise AutodasError(f"task '{path}' is not a subclass of {kind.__name__}, the task of these data")
    return found
