"""The sections of a training."""

from __future__ import annotations

import base64
import os
from collections import Counter
from pathlib import Path
from typing import Any

from autodas.reading import MEBIBYTE, Items, Whole, parse_json, read_text
from autodas.report.page._charts import Series, line_chart
from autodas.report.page._html import csv_link, escape, folded, paragraph, section, table
from autodas.report.page._search import costs, grid
from autodas.runs.events import Epoch
from autodas.runs.folder import EXAMPLE_INDEX, PREDICTIONS
from autodas.runs.reading import Run

_SETS = {"train": "training", "validation": "validation", "test": "test"}
_READABLE = 30  # a matrix of more classes is no picture any more; then the confused pairs alone are told
_PAIRS = 20
_EXAMPLES = 24
_LARGEST = 200_000  # bytes of a picture that is shown
_FRAMES = (
    "Frames of the clip in the middle of each video, as the network sees them. Colours of optical flow: red "
    "moves to the right, green down, cyan to the left, violet up; what is white stands still."
)
_PNG = b"\x89PNG\r\n\x1a\n"


def training_curves(run: Run, prefix: str) -> str:
    """Loss and accuracy of the training."""
    rows: list[Any] = [(event.iteration, event.metrics) for event in run.events_of(Epoch)]
    rows = rows or [(row["step"], row) for row in run.metrics]
    charts = [
        line_chart(
            f"{prefix}training-{value}",
            title,
            "iteration",
            label,
            [
                Series(name, [(iteration, row.get(f"{part}_{value}")) for iteration, row in rows])
                for part, name in _SETS.items()
            ],
        )
        for value, title, label in (
            ("loss", "Loss", "cross-entropy"),
            ("top1", "Accuracy, top-1", "percent"),
            ("top5", "Accuracy, top-5", "percent"),
        )
    ]
    return section(f"{prefix}training", "Training", grid(charts))


def confusion(run: Run, prefix: str) -> str:
    """The confusion matrix."""
    path = run.folder / PREDICTIONS
    if not os.path.exists(path):
        return ""
    classes, labels, predicted = _predictions(path)
    count = len(classes)
    # Counted, not laid out: a matrix of many classes would be empty for the most part.
    counts = Counter(zip(labels, predicted, strict=True))
    pairs = sorted(
        ((times, i, j) for (i, j), times in counts.items() if i != j), key=lambda pair: (-pair[0], *pair[1:])
    )
    wrong = [[classes[i], classes[j], times] for times, i, j in pairs[:_PAIRS]]
    places = range(count if count <= _READABLE else 0)
    matrix = [[counts[i, j] for j in places] for i in places]
    shown = _matrix(classes, matrix) if matrix else ""
    told = (
        table(["label", "predicted", "times"], wrong, "The pairs that are confused most often")
        if wrong
        else paragraph("No test item is taken for another class.")
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
    """The test items that are most confidently taken for something else."""
    path = run.folder / EXAMPLE_INDEX
    if not os.path.exists(path):
        return ""
    figures = []
    index = parse_json(read_text(path, MEBIBYTE), path.name)
    for entry in index[:_EXAMPLES]:
        picture = _picture(run.folder, str(entry["file"]))
        if picture is None:
            continue
        text = f"{entry['label']} taken for {entry['predicted']} ({100 * entry['probability']:.0f} %)"
        item = str(entry.get("name", f"test item {entry['index']}"))
        figures.append(
            f'<figure><img src="data:image/png;base64,{picture}" alt="{escape(item)}: {escape(text)}">'
            f"<figcaption>{escape(text)} <small>{escape(item)}</small></figcaption></figure>"
        )
    if not figures:
        return ""
    return section(
        f"{prefix}examples",
        "Most confident mistakes",
        paragraph(_FRAMES, "note") if _clips(run) else "",
        f'<div class="examples{" strips" if _clips(run) else ""}">{"".join(figures)}</div>',
    )


def _predictions(path: Path) -> tuple[list[str], list[int], list[int]]:
    import pyarrow.parquet as parquet

    # Given the open file: the library takes no names that are no UTF-8.
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
    """Return a table whose cells are as strong as their share of the row."""
    lines = []
    for number, (name, row) in enumerate(zip(classes, matrix, strict=True)):
        whole = max(1, sum(row))
        cells = "".join(
            f'<td class="{"right" if number == column else "wrong"}" '
            f'style="--share:{100 * times / whole:.0f}%">{times or ""}</td>'
            for column, times in enumerate(row)
        )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in classes)
    caption = "Test items: a row for each label, a column for each prediction"
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table class="confusion">'
        f"<caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _picture(folder: Path, file: str) -> str | None:
    """Return a picture of the run folder as text; ``None`` where it is none, or lies elsewhere."""
    try:
        path = (folder / file).resolve()
        if (
            not path.is_relative_to(folder.resolve())
            or not os.path.isfile(path)
            or path.stat().st_size > _LARGEST
        ):
            return None
        content = path.read_bytes()
    except (OSError, ValueError):  # no file can have such a name
        return None
    return base64.b64encode(content).decode("ascii") if content.startswith(_PNG) else None


def _clips(run: Run) -> bool:
    return "clips" in (run.summary.get("test") or {})


TRAINING_SECTIONS = (training_curves, confusion, examples, costs)
"""In the order of the page; each takes a run and what identifiers begin with."""
