"""Files that single-label classification writes to a run folder."""

from __future__ import annotations

from typing import Any

from autodas.data import ImageDataset
from autodas.loop.tasks._class_evaluation import ClassEvaluation
from autodas.loop.tasks._files import EXAMPLES, vectors, write_pictures, write_table
from autodas.runs.folder import RunFolder


def write_classification(folder: RunFolder, evaluation: ClassEvaluation, dataset: ImageDataset) -> None:
    """Write label, prediction and probabilities of each test sample, and the most confident mistakes."""
    probabilities = evaluation.logits.softmax(1)
    confidence, predicted = probabilities.max(1)
    columns = {
        "label": evaluation.labels.numpy(),
        "predicted": predicted.numpy(),
        "probabilities": vectors(probabilities),
    }
    write_table(folder, evaluation, dataset, columns)
    wrong = (predicted != evaluation.labels).nonzero().flatten()
    worst = wrong[confidence[wrong].argsort(descending=True)][:EXAMPLES]

    def facts(place: int) -> dict[str, Any]:
        return {
            "label": dataset.classes[int(evaluation.labels[place])],
            "predicted": dataset.classes[int(predicted[place])],
            "probability": float(confidence[place]),
        }

    write_pictures(folder, evaluation, dataset, worst.tolist(), facts)
