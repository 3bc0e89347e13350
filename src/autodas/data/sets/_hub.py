"""Data sets of the Hugging Face hub."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodas.data.pixels._sources import ItemSource, Source
from autodas.data.sets._answers import read_answers, stored_labels
from autodas.data.sets._labels import StoredLabels
from autodas.data.sets._parquet import IMAGE_COLUMNS, LABEL_COLUMNS
from autodas.data.sets._split_names import split_of
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data_options import DataOptions
from autodas.errors import AutodasError, nearest


def read_hub(rest: str, options: DataOptions) -> RawDataset[Source]:
    """Load ``NAME`` or ``NAME:CONFIG`` through the package ``datasets``."""
    if not rest:
        raise AutodasError("data set 'hf' needs a name: write hf:NAME, such as hf:ylecun/mnist")
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise AutodasError(
            f"hf:{rest}: the package 'datasets' is not installed: install autodas[hf]"
        ) from error
    name, _, config = rest.partition(":")
    try:
        splits = load_dataset(name, config or None)
    except Exception as error:  # network, names and formats fail in many ways
        reason = str(error).split("\n")[0]
        raise AutodasError(f"hf:{rest}: cannot be loaded ({type(error).__name__}: {reason})") from error
    named: dict[str, str] = {}
    for split in splits:
        named.setdefault(split_of(split) or split, split)
    if "train" not in named:
        raise AutodasError(f"hf:{rest}: no split 'train' among {', '.join(splits)}")
    used = [named["train"], *[named[split] for split in ("test", "val") if split in named][:1]]
    train, test = splits[used[0]], splits[used[1]] if len(used) > 1 else None
    unused = [split for split in splits if split not in used]
    notes = (f"hf:{rest}: not used: {', '.join(unused)}",) if unused else ()
    image = _column(rest, train, "Image", IMAGE_COLUMNS)
    columns = options.targets or (_column(rest, train, "ClassLabel", LABEL_COLUMNS),)
    stored = [_labels(f"hf:{rest} {split}", splits[split], columns) for split in used]
    labels = read_answers(f"hf:{rest}", stored[:1], stored[1:], options)
    assert labels.train is not None
    return RawDataset(
        train=RawSplit(ItemSource(train, image, f"hf:{rest} train"), labels.train),
        test=None
        if labels.test is None
        else RawSplit(ItemSource(test, image, f"hf:{rest} test"), labels.test),
        classes=labels.classes,
        notes=(*notes, *labels.notes),
        refusal=labels.refusal,
        task=labels.task,
    )


def _labels(where: str, part: Any, columns: tuple[str, ...]) -> StoredLabels:
    for column in columns:
        if column not in part.features:
            raise AutodasError(f"{where}: no column '{column}'{nearest(column, list(part.features))}")
    if len(columns) > 1:
        table = np.stack([np.asarray(list(part[column])) for column in columns], axis=1)
        return StoredLabels(where, table, columns)
    feature = part.features[columns[0]]
    names = getattr(getattr(feature, "feature", feature), "names", None)  # of one label, or of lists of them
    return stored_labels(where, list(part[columns[0]]), tuple(map(str, names)) if names is not None else None)


def _column(rest: str, part: Any, kind: str, usual: tuple[str, ...]) -> str:
    described = [name for name, feature in part.features.items() if type(feature).__name__ == kind]
    for choice in ([n for n in usual if n in described], described, [n for n in usual if n in part.features]):
        if choice:
            return choice[0]
    raise AutodasError(f"hf:{rest}: no column of type {kind} among {', '.join(part.features)}")
