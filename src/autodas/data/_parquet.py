"""Parquet files with an image and a label column, as the Hugging Face hub has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autodas.data._arrow import explained, is_label, open_parquet
from autodas.data._folder import existing_path
from autodas.data._labels import number_labels
from autodas.data._parts import RawDataset, RawSplit
from autodas.data._sources import ParquetSource, Source
from autodas.errors import AutodasError
from autodas.reading import known, parse_json

IMAGE_COLUMNS = ("image", "img", "images", "picture")
"""Names of the image column, where metadata do not tell."""
LABEL_COLUMNS = ("label", "fine_label", "labels", "class", "target")
"""Names of the label column, the most wanted first."""


def read_parquet(rest: str) -> RawDataset[Source]:
    """Read one file, or all Parquet files of a folder."""
    path = existing_path(rest, "parquet")
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not files:
        raise AutodasError(f"{path}: no *.parquet files in this folder")
    return read_parquet_files(path, files)


def read_parquet_files(path: Path, files: Sequence[Path]) -> RawDataset[Source]:
    """Read Parquet files; those whose names begin with ``train`` and ``test`` (or ``val``) are the splits.

    Args:
        path: what messages name.
        files: at least one.
    """
    train = [file for file in files if file.name.lower().startswith("train")]
    test = next(
        (
            found
            for prefix in ("test", "val")
            if (found := [f for f in files if f.name.lower().startswith(prefix)])
        ),
        [],
    )
    notes: tuple[str, ...] = ()
    if not train or not test:
        train, test = train or [file for file in files if file not in test], []
        if not train:
            raise AutodasError(f"{path}: only test files are here, there is nothing to train with")
        notes = (f"{path} has no train-* and test-* files: it is split 80/20",)
    image, label, names = _columns(train[0])
    values = [_labels(part, label) if part else None for part in (train, test)]
    assert values[0] is not None
    if not len(values[0]):
        raise AutodasError(f"{path}: the files hold no rows to train with")
    numbers, classes = number_labels(str(path), values[0], values[1], names)
    splits: list[RawSplit[Source] | None] = [
        RawSplit(ParquetSource([str(f) for f in part], image), found) if found is not None else None
        for part, found in zip((train, test), numbers, strict=True)
    ]
    assert splits[0] is not None
    for split in splits:
        if split is not None and len(split.source) != len(split.labels):
            raise AutodasError(
                f"{path}: damaged: {len(split.labels)} labels, but {len(split.source)} rows are announced"
            )
    return RawDataset(train=splits[0], test=splits[1], classes=classes, notes=notes)


def _columns(file: Path) -> tuple[str, str, tuple[str, ...] | None]:
    """Return the names of the image and label columns and of the classes, if metadata hold them."""
    opened = open_parquet(file)
    with explained(file):
        schema = opened.schema_arrow
        columns, notes = list(schema.names), (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = known(parse_json(notes, str(file)), ("info", "features"))
    except AutodasError:  # they help where they are there
        features = None
    features = features if isinstance(features, dict) else {}
    kinds = {n: f.get("_type") for n, f in features.items() if isinstance(f, dict) and n in columns}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    image = _choose(file, "image", IMAGE_COLUMNS, images, columns)
    label = _choose(file, "label", LABEL_COLUMNS, labels, columns)
    names = features[label].get("names") if label in labels else None
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        names = None
    return image, label, tuple(map(str, names)) if names else None


def _choose(
    file: Path, what: str, usual: Sequence[str], described: Sequence[str], names: Sequence[str]
) -> str:
    """Return the first usual name among the described columns, else the first described, else a usual one."""
    for choice in ([n for n in usual if n in described], described, [n for n in usual if n in names]):
        if choice:
            return choice[0]
    raise AutodasError(
        f"{file}: no {what} column among {', '.join(names)}: rename the column to '{usual[0]}'"
    )


def _labels(files: Sequence[Path], column: str) -> np.ndarray:
    parts = []
    for file in files:
        parquet = open_parquet(file)
        with explained(file):
            columns = list(parquet.schema_arrow.names)
        if column not in columns:
            raise AutodasError(f"{file}: no column '{column}', which the other files have")
        groups = []
        for group in range(parquet.num_row_groups):
            with explained(file, f"row group {group}"):
                values = parquet.read_row_group(group, columns=[column])[column]
                nulls, kind = values.null_count, values.type
                groups.append(values.to_numpy())
            if nulls:
                raise AutodasError(f"{file}: {nulls} rows have no label in column '{column}'")
            if not is_label(kind):
                raise AutodasError(
                    f"{file}: column '{column}': one whole number or text a label is expected, found {kind}"
                )
        parts += groups
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
