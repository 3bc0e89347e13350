"""Parquet files with an image and a label column, as the Hugging Face hub has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autodas.data._arrow import explained, is_label, open_parquet
from autodas.data._folder import existing_path
from autodas.data._labels import number_labels
from autodas.data._parts import RawDataset, RawSplit
from autodas.data._sources import ParquetSource, Source
from autodas.data._split_names import SplitName, split_of, split_of_file
from autodas.data._walk import LeftOut, files_below
from autodas.errors import AutodasError
from autodas.reading import known, parse_json

IMAGE_COLUMNS = ("image", "img", "images", "picture")
"""Names of the image column, where metadata do not tell."""
LABEL_COLUMNS = ("label", "fine_label", "labels", "class", "target")
"""Names of the label column, the most wanted first."""


def read_parquet(rest: str) -> RawDataset[Source]:
    """Read one file, or all Parquet files of a folder."""
    path = existing_path(rest, "parquet")
    if os.path.isfile(path):
        return read_parquet_files(path, [path])
    left_out = LeftOut("images")
    files = sorted(files_below(path, (".parquet", ".pq"), left_out))
    if not files:
        raise AutodasError(f"{path}: no *.parquet files in this folder")
    data = read_parquet_files(path, [Path(file) for file in files])
    return replace(data, notes=(*left_out.notes(), *data.notes))


def read_parquet_files(path: Path, files: Sequence[Path]) -> RawDataset[Source]:
    """Read Parquet files; names of files or of their folders that mean splits say which these are.

    Args:
        path: the file, or the folder that holds them.
        files: at least one.
    """
    splits: dict[SplitName | None, list[Path]] = {}
    for file in files:
        splits.setdefault(_split_of(path, file), []).append(file)
    other = splits.pop(None, [])
    train = splits.pop("train", None)
    test = splits.pop("test", None) or splits.pop("val", None)
    notes = []
    if train is None and other:
        if test:
            notes.append(f"{path}: {_some(other)} is read to train with: its name means no split")
        train, other = other, []
    notes += [
        f"{path}: {_some(unused)} is not used: {why}"
        for unused, why in (
            (splits.get("val", []), "the test split is another one"),
            (other, "its name means no split"),
        )
        if unused
    ]
    image, label, names = _columns((train or test or files)[0])
    parts = [train, test]
    values = [_labels(part, label) for part in parts if part]
    if not all(len(found) for found in values):
        raise AutodasError(f"{path}: the files hold no rows")
    numbers, classes = number_labels(str(path), values[0], values[1] if len(values) > 1 else None, names)
    found = iter(numbers)
    raw: list[RawSplit[Source] | None] = []
    for part in parts:
        labels = next(found) if part else None
        source = ParquetSource([str(file) for file in part], image) if part else None
        columns = ParquetColumns(part) if part else {}
        if source is not None and labels is not None and len(source) != len(labels):
            raise AutodasError(f"{path}: damaged: {len(labels)} labels, but {len(source)} rows are announced")
        raw.append(
            None
            if source is None or labels is None
            else RawSplit(source, labels, _paths(part or [], image), columns)
        )
    return RawDataset(train=raw[0], test=raw[1], classes=classes, notes=tuple(notes))


class ParquetColumns(Mapping[str, Sequence[str]]):
    """The columns of Parquet files that may be groups: whole numbers and text. They are read when asked for.

    Args:
        files: in order.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        import pyarrow.types as types

        self._files = files
        self._names = [
            column.name
            for column in open_parquet(files[0]).schema_arrow
            if types.is_integer(column.type)
            or types.is_string(column.type)
            or types.is_large_string(column.type)
        ]

    def __getitem__(self, name: str) -> Sequence[str]:
        if name not in self._names:
            raise KeyError(name)
        return ["" if value is None else str(value) for file in self._files for value in _values(file, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _split_of(path: Path, file: Path) -> SplitName | None:
    """Return the split of a file: by its name, or by the nearest of the folders that it is in."""
    if file == path:
        return None
    inner = file.relative_to(path)
    folders = (split_of(folder.name) for folder in inner.parents)
    return split_of_file(inner.name) or next((split for split in folders if split), None)


def _some(files: Sequence[Path]) -> str:
    return files[0].name if len(files) == 1 else f"{files[0].name} (and {len(files) - 1} more)"


def _paths(files: Sequence[Path], image: str) -> list[str] | None:
    """Return the paths that rows have for their images, if each has one of its own."""
    import pyarrow.types as types

    paths: list[str] = []
    for file in files:
        kind = open_parquet(file).schema_arrow.field(image).type
        if not types.is_struct(kind) or kind.get_field_index("path") < 0:
            return None
        paths += [known(row, ("path",)) for row in _values(file, f"{image}.path")]
    return paths if all(paths) and len(set(paths)) == len(paths) else None


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
        values = _column(file, column)
        if values.null_count:
            raise AutodasError(f"{file}: {values.null_count} rows have no label in column '{column}'")
        if not is_label(values.type):
            raise AutodasError(
                f"{file}: column '{column}': one whole number or text a label is expected, "
                f"found {values.type}"
            )
        with explained(file):
            parts.append(values.to_numpy())
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _values(file: Path, column: str) -> list[Any]:
    """Return the values of a column of a file, named as for :func:`_column`."""
    with explained(file, f"column '{column}'"):  # text may be no UTF-8
        values: list[Any] = _column(file, column).to_pylist()
        return values


def _column(file: Path, column: str) -> Any:
    """Return a column of a file; of ``a.b`` the field b in the column a."""
    parquet, name = open_parquet(file), column.partition(".")[0]
    with explained(file):
        names = list(parquet.schema_arrow.names)
    if name not in names:
        raise AutodasError(f"{file}: no column '{name}', which the other files have")
    groups = []
    for group in range(parquet.num_row_groups):
        with explained(file, f"row group {group}"):
            groups.append(parquet.read_row_group(group, columns=[column]))
    with explained(file):
        import pyarrow

        table = pyarrow.concat_tables(groups) if groups else parquet.schema_arrow.empty_table()
        return table[name]
