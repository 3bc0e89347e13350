"""Sections of a training."""

from __future__ import annotations

import base64
import os
from collections import Counter
from pathlib import Path

from autodas.reading import MEBIBYTE, Items, Whole, known, parse_json, read_text
from autodas.report.page._answers import of_classes, of_targets
from autodas.report.page._html import csv_link, escape, folded, paragraph, section, table
from autodas.report.page._metrics import metric_charts
from autodas.report.page._search import costs
from autodas.report.page._shaded import Shaded, shaded_table
from autodas.runs.folder import EXAMPLE_INDEX, PREDICTIONS
from autodas.runs.reading import Run
from autodas.runs.scores import score_of

_SETS = {"train": "training", "validation": "validation", "test": "test"}
_READABLE = 30  # most classes of a legible matrix; for more, only the confused pairs are listed
_PAIRS = 20
_EXAMPLES = 24
_LARGEST = 200_000  # largest size of an embedded image in bytes
_FRAMES = (
    "Frames of the middle clip of each video, as seen by the network. Colours of optical flow: red for "
    "motion to the right, green down, cyan to the left, violet up; white for no motion."
)
_PNG = b"\x89PNG\r\n\x1a\n"


def training_curves(run: Run, prefix: str) -> str:
    """Metrics of the training."""
    return section(f"{prefix}training", "Training", metric_charts(run, f"{prefix}training-", _SETS))


def precisions(run: Run, prefix: str) -> str:
    """Average precision of a detector for each class."""
    classes = known(run.summary, ["test", "per_class"])
    if not isinstance(classes, dict):
        return ""
    rows = [[name, known(own, ["ap"]), known(own, ["ap50"])] for name, own in classes.items()]
    head = ["class", "AP, %", "AP at 0.5, %"]
    return section(
        f"{prefix}precisions",
        "Average precision of classes",
        table(head, rows, "Test images, as in COCO", sortable=True),
        csv_link(f"{prefix}precisions.csv", head, rows),
    )


def confusion(run: Run, prefix: str) -> str:
    """Confusion matrix."""
    path = run.folder / PREDICTIONS
    if not os.path.exists(path) or not score_of(run.start.task).proportion:
        return ""
    classes, labels, predicted = _predictions(path)
    count = len(classes)
    # Counts of pairs, since a matrix of many classes would be sparse.
    counts = Counter(zip(labels, predicted, strict=True))
    pairs = sorted(
        ((times, i, j) for (i, j), times in counts.items() if i != j), key=lambda pair: (-pair[0], *pair[1:])
    )
    wrong = [[classes[i], classes[j], times] for times, i, j in pairs[:_PAIRS]]
    places = range(count if count <= _READABLE else 0)
    matrix = [[counts[i, j] for j in places] for i in places]
    shown = _matrix(classes, matrix) if matrix else ""
    told = (
        table(["label", "predicted", "times"], wrong, "Most frequently confused pairs")
        if wrong
        else paragraph("All test samples are classified correctly.")
    )
    return section(
        f"{prefix}confusion",
        "Confusion of classes",
        shown,
        folded("Confused pairs", told, opened=not shown),
        csv_link(
            f"{prefix}confusion.csv",
            ["label", *classes],
            [[name, *row] for name, row in zip(classes, matrix, strict=True)],
        )
        if shown
        else csv_link(f"{prefix}confused-pairs.csv", ["label", "predicted", "times"], wrong),
    )


def examples(run: Run, prefix: str) -> str:
    """Test samples with the most confident mistakes, or the largest errors."""
    path = run.folder / EXAMPLE_INDEX
    if not os.path.exists(path):
        return ""
    figures = []
    index = parse_json(read_text(path, MEBIBYTE), path.name)
    for entry in index[:_EXAMPLES]:
        image = _image(run.folder, str(entry["file"]))
        if image is None:
            continue
        text = entry.get("caption") or (
            f"{entry['label']} taken for {entry['predicted']} ({100 * entry['probability']:.0f} %)"
        )
        sample = str(entry.get("name", f"test sample {entry['index']}"))
        figures.append(
            f'<figure><img src="data:image/png;base64,{image}" alt="{escape(sample)}: {escape(text)}">'
            f"<figcaption>{escape(text)} <small>{escape(sample)}</small></figcaption></figure>"
        )
    if not figures:
        return ""
    return section(
        f"{prefix}examples",
        "Largest errors" if run.start.task == "regression" else "Most confident mistakes",
        paragraph(_FRAMES, "note") if _clips(run) else "",
        f'<div class="examples{" strips" if _clips(run) else ""}">{"".join(figures)}</div>',
    )


def _predictions(path: Path) -> tuple[list[str], list[int], list[int]]:
    import pyarrow.parquet as parquet

    # Pass an open file, since the library does not accept names that are not UTF-8.
    with open(path, "rb") as opened:
        file = parquet.ParquetFile(opened)
        if file.metadata.num_rows > path.stat().st_size:
            raise ValueError(f"{file.metadata.num_rows} rows in {path.stat().st_size} bytes")
        read = file.read(columns=["label", "predicted"])
    names = (read.schema.metadata or {}).get(b"classes", b"").decode("utf-8", "surrogatepass").split("\n")
    labels, predicted = read["label"].to_pylist(), read["predicted"].to_pylist()
    Items(Whole(0, len(names) - 1), high=2 * len(labels)).check([*labels, *predicted], path.name)
    return names, labels, predicted


def _matrix(classes: list[str], matrix: list[list[int]]) -> str:
    """Return a table with cells shaded by their share of the row."""
    rows = []
    for number, (name, row) in enumerate(zip(classes, matrix, strict=True)):
        whole = max(1, sum(row))
        cells = [
            Shaded(str(times or ""), times / whole, number != column) for column, times in enumerate(row)
        ]
        rows.append((name, cells))
    return shaded_table(classes, rows, "Test samples: a row for each label, a column for each prediction")


def _image(folder: Path, file: str) -> str | None:
    """Return a PNG of the run folder in base64; ``None`` if it is not a PNG, or is outside the folder."""
    try:
        path = (folder / file).resolve()
        if (
            not path.is_relative_to(folder.resolve())
            or not os.path.isfile(path)
            or path.stat().st_size > _LARGEST
        ):
            return None
        content = path.read_bytes()
    except (OSError, ValueError):  # unreadable, or an invalid file name
        return None
    return base64.b64encode(content).decode("ascii") if content.startswith(_PNG) else None


def _clips(run: Run) -> bool:
    return "clips" in (run.summary.get("test") or {})


TRAINING_SECTIONS = (training_curves, precisions, confusion, of_classes, of_targets, examples, costs)
"""Sections in the order of the page; each takes a run and the prefix of identifiers."""
