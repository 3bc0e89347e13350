"""Scores of tasks, as runs record them and users read them. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from autodas.data_options import TaskName


class Score(NamedTuple):
    """Metric by which networks are compared, in percent, higher is better.

    Attributes:
        metric: its name in logs.
        words: its name for users.
        proportion: whether it is a share of the samples, whose number determines its error.
    """

    metric: str
    words: str
    proportion: bool = False


SCORES: Mapping[TaskName | Literal["detection"], Score] = {
    "classification": Score("top1", "accuracy", True),
    "multilabel": Score("map", "mAP"),
    "regression": Score("r2", "R²"),
    "embedding": Score("map", "mAP"),
    "detection": Score("map", "mAP"),
}


def score_of(task: str | None) -> Score:
    """Return the score of a task; logs without a task, or with one of a newer version, mean classes."""
    return SCORES.get(task, SCORES["classification"])  # type: ignore[call-overload,no-any-return]


def common_score(tasks: Iterable[str | None]) -> Score | None:
    """Return the score of runs; ``None`` if they have several tasks."""
    scores = {score_of(task) for task in tasks}
    return scores.pop() if len(scores) == 1 else None
