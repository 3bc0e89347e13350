"""Files that multi-label classification writes to a run folder."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autodas.data import ImageDataset
from autodas.loop.tasks._files import EXAMPLES, vectors, write_pictures, write_table
from autodas.loop.tasks._label_evaluation import LabelEvaluation
from autodas.runs.folder import RunFolder


def write_multilabel(folder: RunFolder, evaluation: LabelEvaluation, dataset: ImageDataset) -> None:
    """Write labels, predictions and probabilities of each test sample, and the most confident mistakes.

    A mistake is a label that is predicted and wrong, or missing; its confidence is that of the wrong answer.
    """
    probabilities, predicted, labels = evaluation.probabilities, evaluation.predicted, evaluation.targets > 0
    columns = {
        "labels": [row.nonzero().flatten().tolist() for row in labels],
        "predicted": [row.nonzero().flatten().tolist() for row in predicted],
        "probabilities": vectors(probabilities.float()),
    }
    write_table(folder, evaluation, dataset, columns)
    wrong = (predicted != labels) * (probabilities - labels.double()).abs()
    confidence, mistaken = wrong.max(1)
    worst = confidence.argsort(descending=True, stable=True)[:EXAMPLES]

    def named(row: Tensor) -> str:
        return ", ".join(dataset.classes[k] for k in row.nonzero().flatten().tolist()) or "no label"

    def facts(place: int) -> dict[str, Any]:
        k = int(mistaken[place])
        return {
            "label": named(labels[place]),
            "predicted": named(predicted[place]),
            "caption": f"{named(labels[place])} taken for {named(predicted[place])} ({dataset.classes[k]} "
            f"{100 * float(probabilities[place, k]):.0f} %)",
        }

    write_pictures(folder, evaluation, dataset, [p for p in worst.tolist() if confidence[p] > 0], facts)
