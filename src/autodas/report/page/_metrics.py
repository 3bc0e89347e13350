"""Charts of what the epochs measured: one for each metric of the task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from autodas.report.page._charts import Series, line_chart
from autodas.runs.events import Epoch
from autodas.runs.reading import Run

_LABELS = {
    "class_loss": ("Loss of classes, last layer", "varifocal"),
    "edge_loss": ("Loss of edges, last layer", "weighted L1"),
    "overlap_loss": ("Loss of overlap, last layer", "weighted GIoU"),
    "map50": ("Mean average precision at 0.5", "percent"),
    "top1": ("Accuracy, top-1", "percent"),
    "top5": ("Accuracy, top-5", "percent"),
    "map": ("Mean average precision", "percent"),
    "micro_f1": ("Micro F1", "percent"),
    "macro_f1": ("Macro F1", "percent"),
    "mae": ("Mean absolute error", "units of the targets"),
    "rmse": ("Root of the mean squared error", "units of the targets"),
    "r2": ("R²", "percent"),
    "identities": ("Accuracy of trained identities", "percent"),
    **{f"rank{k}": (f"Rank-{k}", "percent") for k in (1, 5, 10)},
}
"""Title and label of the axis of known metrics; others are shown under their own names."""

_LOSSES = {
    "multilabel": "binary cross-entropy",
    "regression": "of standardised errors",
    "embedding": "triplets and cross-entropy",
}
"""Label of the axis of the loss by task; for others cross-entropy."""


def metric_charts(run: Run, prefix: str, parts: Mapping[str, str]) -> str:
    """Return a chart for each metric, with a line for each part of the data.

    Args:
        run: a search or training.
        prefix: of the charts' identifiers.
        parts: prefix of a part's columns in the log to the name of its line.
    """
    rows = [(event.iteration, event.metrics) for event in run.events_of(Epoch)]
    # Without events, the table of metrics may still be available.
    rows = rows or [(int(step), row) for row in run.metrics if (step := row.get("step")) is not None]
    names = dict.fromkeys(
        column.removeprefix(f"{part}_")
        for _, row in rows
        for column in row
        for part in parts
        if column.startswith(f"{part}_")
    )
    charts = []
    labels = {**_LABELS, "loss": ("Loss", _LOSSES.get(run.start.task or "", "cross-entropy"))}
    for name in names:
        title, label = labels.get(name, (name.replace("_", " "), ""))
        if name == "loss" and "edge_loss" in names:
            label = "sum of all layers"
        lines = [
            Series(text, [(iteration, _number(row.get(f"{part}_{name}"))) for iteration, row in rows])
            for part, text in parts.items()
        ]
        identifier = re.sub(r"\W", "-", name)
        charts.append(line_chart(f"{prefix}{identifier}", title, "iteration", label, lines))
    return grid(charts)


def grid(charts: Iterable[str]) -> str:
    """Return charts side by side as far as they fit; an empty text if there are none."""
    content = "".join(charts)
    return f'<div class="charts">{content}</div>' if content else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
