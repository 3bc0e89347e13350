"""Sections of a training with several labels a sample, or of a regression."""

from __future__ import annotations

import os
from typing import Any

from autodas.reading import Items, Number
from autodas.report.page._charts import Dot, scatter_chart
from autodas.report.page._html import csv_link, folded, paragraph, section, table
from autodas.report.page._metrics import grid
from autodas.runs.folder import PREDICTIONS
from autodas.runs.reading import Run

_DOTS = 400
"""Most samples of a chart; of more, evenly spaced ones are shown."""
_RATES = ("average_precision", "threshold", "precision", "recall", "f1", "positives")
_ERRORS = ("mae", "rmse", "r2", "mae_of_mean")


def of_classes(run: Run, prefix: str) -> str:
    """Average precision, threshold and F1 of each class."""
    found = (run.summary.get("test") or {}).get("classes")
    if run.start.task != "multilabel" or not found:
        return ""
    head = [
        "class",
        "average precision, %",
        "threshold",
        "precision, %",
        "recall, %",
        "F1, %",
        "test samples",
    ]
    rows = sorted(
        ([name, *(own.get(rate) for rate in _RATES)] for name, own in found.items()),
        key=lambda row: (row[1] is None, row[1]),
    )
    return section(
        f"{prefix}classes",
        "Classes",
        folded(
            "All classes",
            table(head, rows, "Classes, the worst first", sortable=True),
            opened=len(rows) <= 30,
        ),
        paragraph(
            "The mean average precision is over the classes with test samples. Precision, recall and F1 are "
            "those at the threshold: 0.5, or the best one on the samples held out of training.",
            "note",
        ),
        csv_link(f"{prefix}classes.csv", head, rows),
    )


def of_targets(run: Run, prefix: str) -> str:
    """Answers against targets."""
    found = (run.summary.get("test") or {}).get("targets")
    path = run.folder / PREDICTIONS
    if run.start.task != "regression" or not found or not os.path.exists(path):
        return ""
    import pyarrow.parquet as parquet

    with open(path, "rb") as opened:
        file = parquet.ParquetFile(opened)
        if file.metadata.num_rows > path.stat().st_size:
            raise ValueError(f"{file.metadata.num_rows} rows in {path.stat().st_size} bytes")
        read = file.read(columns=["targets", "predicted"])
    targets, predicted = (read[name].to_pylist() for name in ("targets", "predicted"))
    Items(Items(Number(), len(found), len(found))).check([*targets, *predicted], path.name)
    step = -(-len(targets) // _DOTS)
    charts = []
    for number, name in enumerate(found):
        pairs = [(t[number], p[number]) for t, p in list(zip(targets, predicted, strict=True))[::step]]
        dots = [Dot("test samples", f"{name} {wanted:.4g}", wanted, got, got, got) for wanted, got in pairs]
        title = name if len(found) > 1 else "Answers"
        charts.append(scatter_chart(f"{prefix}answers-{number}", title, name, f"{name}, answered", dots))
    head = ["target", "MAE", "RMSE", "R², %", "MAE of the training mean"]
    rows: list[list[Any]] = [[name, *(own.get(error) for error in _ERRORS)] for name, own in found.items()]
    return section(
        f"{prefix}answers",
        "Answers on the test samples",
        grid(charts),
        table(head, rows, "Errors, in the units of the targets"),
        csv_link(f"{prefix}errors.csv", head, rows),
    )
