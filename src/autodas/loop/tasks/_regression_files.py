"""Files that regression writes to a run folder."""

from __future__ import annotations

from typing import Any

import torch

from autodas.data import ImageDataset
from autodas.loop.tasks._files import EXAMPLES, vectors, write_pictures, write_table
from autodas.loop.tasks._regression_evaluation import RegressionEvaluation
from autodas.runs.folder import RunFolder


def write_regression(folder: RunFolder, evaluation: RegressionEvaluation, dataset: ImageDataset) -> None:
    """Write targets and answers of each test sample, and the samples with the largest errors.

    Errors of several targets are compared in standard deviations of the training samples.
    """
    columns = {"targets": vectors(evaluation.targets), "predicted": vectors(evaluation.outputs)}
    write_table(folder, evaluation, dataset, columns)
    errors = (evaluation.errors.abs() / torch.tensor(evaluation.std, dtype=torch.float64)).amax(1)
    worst = errors.argsort(descending=True, stable=True)[:EXAMPLES]

    def facts(place: int) -> dict[str, Any]:
        both = zip(
            evaluation.targets[place].tolist(),
            evaluation.outputs[place].tolist(),
            dataset.classes,
            strict=True,
        )
        told = ", ".join(f"{name} {wanted:.4g}, answered {found:.4g}" for wanted, found, name in both)
        return {"caption": told}

    write_pictures(folder, evaluation, dataset, worst.tolist(), facts)
