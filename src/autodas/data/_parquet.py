"""Parquet files with an image and a label column, as the Hugging Face hub has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autodas.data._folder import existing_path
from autodas.data._labels import number_labels
from autodas.data._parts import RawDataset, RawSplit
from autodas.data._sources import ParquetSource, Source
from autodas.errors import AutodasError

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
    numbers, classes = number_labels(str(path), values[0], values[1], names)
    splits: list[RawSplit[Source] | None] = [
        RawSplit(ParquetSource([str(f) for f in part], image), found) if found is not None else None
        for part, found in zip((train, test), numbers, strict=True)
    ]
    assert splits[0] is not None
    return RawDataset(train=splits[0], test=splits[1], classes=classes, notes=notes)


def _columns(file: Path) -> tuple[str, str, tuple[str, ...] | None]:
    """Return the names of the image and label columns and of the classes, if metadata hold them."""
    schema = _open(file).schema_arrow
    features: dict[str, Any] = {}
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        features = {}
    kinds = {n: f.get("_type") for n, f in features.items() if isinstance(f, dict) and n in schema.names}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    image = _choose(file, "image", IMAGE_COLUMNS, images, schema.names)
    label = _choose(file, "label", LABEL_COLUMNS, labels, schema.names)
    names = features[label].get("names") if label in labels else None
    return image, label, tuple(names) if names else None


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
        parquet = _open(file)
        if column not in parquet.schema_arrow.names:
            raise AutodasError(f"{file}: no column '{column}', which the other files have")
        values = parquet.read(columns=[column])[column]
        if values.null_count:
            raise AutodasError(f"{file}: {values.null_count} rows have no label in column '{column}'")
        parts.append(values.to_numpy())
    return np.concatenate(parts)


def _open(file: Path) -> Any:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(file)
    except (pyarrow.lib.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0]
        raise AutodasError(f"{file}: cannot be read as Parquet ({reason})") from error
