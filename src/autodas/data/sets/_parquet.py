"""Parquet files with an image and a label column, as on the Hugging Face hub."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autodas.data.files._arrow import explained, is_label, is_list, open_parquet
from autodas.data.files._walk import LeftOut, files_below
from autodas.data.pixels._sources import ParquetSource, Source
from autodas.data.sets._answers import read_answers, stored_labels
from autodas.data.sets._image_folder import existing_path
from autodas.data.sets._labels import StoredLabels
from autodas.data.sets._split_names import SplitName, split_of, split_of_file
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data_options import DataOptions
from autodas.errors import AutodasError, nearest
from autodas.reading import known, parse_json

IMAGE_COLUMNS = ("image", "img", "images", "picture")
"""Names of the image column, if metadata do not specify it."""
LABEL_COLUMNS = ("label", "fine_label", "labels", "class", "target")
"""Names of the label column, the preferred one first."""


def read_parquet(rest: str, options: DataOptions) -> RawDataset[Source]:
    """Read one file, or all Parquet files of a folder."""
    path = existing_path(rest, "parquet")
    if os.path.isfile(path):
        return read_parquet_files(path, [path], options)
    left_out = LeftOut("images")
    files = sorted(files_below(path, (".parquet", ".pq"), left_out))
    if not files:
        raise AutodasError(f"{path}: no *.parquet files in this folder")
    data = read_parquet_files(path, [Path(file) for file in files], options)
    return replace(data, notes=(*left_out.notes(), *data.notes))


def read_parquet_files(
    path: Path, files: Sequence[Path], options: DataOptions | None = None
) -> RawDataset[Source]:
    """Read Parquet files; splits are derived from the names of files or of their folders.

    Args:
        path: the file, or the folder that contains them.
        files: at least one.
        options: which columns hold labels, and for which task; ``None`` for the defaults.
    """
    options = options or DataOptions()
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
    image, labels = _columns((train or test or files)[0], options)
    first, second = (
        [_labels(file, labels, options.answers) for file in part or ()] for part in (train, test)
    )
    if not all(sum(map(_count, part)) for part in (first, second) if part):
        raise AutodasError(f"{path}: the files hold no rows")
    numbers = read_answers(str(path), first, second, options)
    return RawDataset(
        train=_split(path, train, image, numbers.train),
        test=_split(path, test, image, numbers.test),
        classes=numbers.classes,
        notes=(*notes, *numbers.notes),
        refusal=numbers.refusal,
        task=numbers.task,
    )


def _count(labels: StoredLabels) -> int:
    return len(labels.values if labels.counts is None else labels.counts)


def _split(
    path: Path, files: list[Path] | None, image: str, labels: np.ndarray | None
) -> RawSplit[Source] | None:
    if files is None or labels is None:
        return None
    source = ParquetSource([str(file) for file in files], image)
    if len(source) != len(labels):
        raise AutodasError(f"{path}: damaged: {len(labels)} labels, but {len(source)} rows are announced")
    return RawSplit(source, labels, _keys(files, image), ParquetColumns(files))


class ParquetColumns(Mapping[str, Sequence[str]]):
    """Columns of Parquet files that may be groups: integers and text. They are read on access.

    Other columns are also contained, but accessing one raises an error that explains why it cannot be a
    group.

    Args:
        files: the files in order.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._types = {column.name: column.type for column in open_parquet(files[0]).schema_arrow}

    def __getitem__(self, name: str) -> Sequence[str]:
        kind = self._types[name]
        if not is_label(kind):
            raise AutodasError(
                f"{self._files[0]}: column '{name}' holds {kind}: groups are whole numbers or text"
            )
        return ["" if value is None else str(value) for file in self._files for value in _values(file, name)]

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[str]:
        return (name for name, kind in self._types.items() if is_label(kind))

    def __len__(self) -> int:
        return sum(map(is_label, self._types.values()))


def _split_of(path: Path, file: Path) -> SplitName | None:
    """Return the split of a file: by its name, or by the nearest of its parent folders."""
    if file == path:
        return None
    inner = file.relative_to(path)
    folders = (split_of(folder.name) for folder in inner.parents)
    return split_of_file(inner.name) or next((split for split in folders if split), None)


def _some(files: Sequence[Path]) -> str:
    return files[0].name if len(files) == 1 else f"{files[0].name} (and {len(files) - 1} more)"


def _keys(files: Sequence[Path], image: str) -> list[str] | None:
    """Return the names of rows: the paths stored with their images, if any row has one.

    Repeated or empty paths get their count appended, so that the names of other rows are unaffected.
    """
    import pyarrow.types as types

    paths: list[str] = []
    for file in files:
        kind = open_parquet(file).schema_arrow.field(image).type
        if not types.is_struct(kind) or kind.get_field_index("path") < 0:
            return None
        paths += [known(row, ("path",)) or "" for row in _values(file, f"{image}.path")]
    if not any(paths):
        return None
    seen: Counter[str] = Counter()
    keys = []
    for path in paths:
        seen[path] += 1
        keys.append(path if path and seen[path] == 1 else f"{path}#{seen[path]}")
    return keys


def _columns(file: Path, options: DataOptions) -> tuple[str, tuple[str, ...]]:
    """Return the names of the image column and of those with labels."""
    columns, features = _features(file)
    kinds = {n: f.get("_type") for n, f in features.items() if isinstance(f, dict) and n in columns}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    image = _choose(file, "image", IMAGE_COLUMNS, images, columns)
    for name in options.targets:
        if name not in columns:
            raise AutodasError(f"{file}: no column '{name}'{nearest(name, columns)}")
    if options.targets:
        return image, options.targets
    if options.answers in ("multilabel", "regression") and not {*labels, *LABEL_COLUMNS}.intersection(
        columns
    ):
        numeric = _numeric(file, {image, options.groups or ""})
        if numeric:
            return image, numeric
    return image, (_choose(file, "label", LABEL_COLUMNS, labels, columns),)


def _numeric(file: Path, without: set[str]) -> tuple[str, ...]:
    """Return the names of the columns of numbers."""
    from pyarrow import types

    kinds = (types.is_boolean, types.is_integer, types.is_floating)
    schema = open_parquet(file).schema_arrow
    return tuple(
        column.name
        for column in schema
        if column.name not in without and any(is_(column.type) for is_ in kinds)
    )


def _class_names(file: Path, label: str) -> tuple[str, ...] | None:
    """Return the names of the classes, if metadata contain them."""
    feature = _features(file)[1].get(label)
    if isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List"):
        feature = feature.get("feature")
    names = (
        feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    )
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        return None
    return tuple(map(str, names)) or None


def _features(file: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the columns, and their description in the metadata."""
    opened = open_parquet(file)
    with explained(file):
        schema = opened.schema_arrow
        columns, notes = list(schema.names), (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = known(parse_json(notes, str(file)), ("info", "features"))
    except AutodasError:  # metadata are optional
        features = None
    return columns, features if isinstance(features, dict) else {}


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


def _labels(file: Path, columns: Sequence[str], task: str) -> StoredLabels:
    """Return the labels of a file, with their names if it contains them: in one column, or in several."""
    if len(columns) == 1:
        return _one_column(file, columns[0], task)
    tables = [_one_column(file, column, task) for column in columns]
    for column, table in zip(columns, tables, strict=True):
        if table.counts is not None or table.values.ndim > 1 or table.values.dtype.kind not in "biuf":
            raise AutodasError(
                f"{file}: column '{column}' holds no numbers: choose others with `data.targets`"
            )
    return StoredLabels(str(file), np.stack([table.values for table in tables], axis=1), tuple(columns))


def _one_column(file: Path, column: str, task: str) -> StoredLabels:
    from pyarrow import types

    values = _column(file, column)
    if values.null_count:
        raise AutodasError(f"{file}: {values.null_count} rows have no label in column '{column}'")
    kind = values.type
    single = kind.value_type if is_list(kind) else kind
    if not (is_label(single) or types.is_floating(single) or types.is_boolean(single)):
        raise AutodasError(
            f"{file}: column '{column}': one whole number or text a label, a list of labels, or numbers are "
            f"expected, found {kind}"
        )
    names = _class_names(file, column)
    if is_list(kind):
        with explained(file):
            rows = values.to_pylist()
        # Lists of a fixed size are vectors.
        rows = [np.asarray(row) for row in rows] if types.is_fixed_size_list(kind) else rows
        return stored_labels(str(file), rows, names)
    if types.is_floating(kind) or task == "regression":
        names = (column,)
    with explained(file):
        return StoredLabels(str(file), values.to_numpy(), names)


def _values(file: Path, column: str) -> list[Any]:
    """Return the values of a column of a file, named as in :func:`_column`."""
    with explained(file, f"column '{column}'"):  # text may be no UTF-8
        values: list[Any] = _column(file, column).to_pylist()
        return values


def _column(file: Path, column: str) -> Any:
    """Return a column of a file; for ``a.b`` the field b in the column a.

    Raises:
        AutodasError: if the column is missing or damaged, or has more or fewer values than the file has rows.
    """
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
        values, rows = table[name], parquet.metadata.num_rows
    if len(values) != rows:
        raise AutodasError(f"{file}: damaged: {len(values)} values in column '{column}', but {rows} rows")
    return values
