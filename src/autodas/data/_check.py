"""Facts about a data set, for users who want to see how autodas reads their files."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from autodas.data._check_files import damage, picture_facts, video_facts
from autodas.data._dataset import ImageDataset
from autodas.data._notes import class_counts
from autodas.data._open import open_dataset
from autodas.data.splits._images import Images
from autodas.data.splits._parts import Bad
from autodas.data.splits._split import Split
from autodas.data.splits._videos import Videos
from autodas.data_options import DataOptions


def check_dataset(
    name: str, options: DataOptions | None = None, *, seed: int = 0, decode: bool = False, **changes: Any
) -> dict[str, Any]:
    """Open a data set and describe it; all unreadable samples are listed, however many there are.

    Args:
        name, options, seed, changes: as in :func:`open_dataset`; ``max_bad`` is only used for comparison.
        decode: as in :func:`describe_dataset`.

    Raises:
        AutodasError: as in :func:`open_dataset`, except for unreadable samples.
    """
    options = replace(options or DataOptions(), **changes)
    dataset = open_dataset(name, replace(options, max_bad=1.0), seed=seed)
    return describe_dataset(dataset, max_bad=options.max_bad, decode=decode)


def describe_dataset(dataset: ImageDataset, *, max_bad: float = 0.01, decode: bool = False) -> dict[str, Any]:
    """Describe a data set.

    Args:
        dataset: a data set opened such that all samples may be bad (``max_bad=1``).
        max_bad: maximum share of bad samples accepted by other commands.
        decode: decode every file to its end, which finds damage in the middle of videos.

    Returns:
        Plain data: ``name``, ``task``, ``classes`` (or ``targets``), ``channels``, ``image_size``,
        ``value_range``, for videos ``clips`` (frames and step), ``train`` and ``test`` (each with ``images``
        or ``videos``, their number per class or label, also those with no label, or the range of each target,
        ``storage``, ``bytes_in_memory``, and the facts of :func:`picture_facts`, or :func:`video_facts` and
        :meth:`Videos.facts`), ``mean``, ``std``, ``augmentation``, ``bad``, with ``decode`` also ``damaged``,
        and ``warnings``.
    """
    damaged = {"damaged": [*damage(dataset.train), *damage(dataset.test)]} if decode else {}
    return {
        "name": dataset.name,
        "task": dataset.task,
        "targets" if dataset.task == "regression" else "classes": list(dataset.classes),
        "channels": dataset.channels,
        "image_size": dataset.image_size,
        "value_range": list(dataset.value_range or (0, 255)),
        **({} if dataset.clips is None else {"clips": asdict(dataset.clips)}),
        "train": _facts(dataset.train, dataset),
        "test": _facts(dataset.test, dataset),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "augmentation": str(dataset.default_augmentation),
        "bad": list(dataset.bad),
        **damaged,
        "warnings": [*dataset.notes, *_advice(dataset, max_bad)],
    }


def _facts(split: Split, dataset: ImageDataset) -> dict[str, Any]:
    facts: dict[str, Any] = {
        split.what: len(split),
        **_of_labels(split, dataset),
        "storage": split.storage,
        "bytes_in_memory": split.bytes_in_memory,
    }
    if isinstance(split, Images):
        facts |= picture_facts(split)
    if isinstance(split, Videos):
        facts |= {**split.facts(), **video_facts(split)}
    return facts


def _of_labels(split: Split, dataset: ImageDataset) -> dict[str, Any]:
    """Return facts about the labels of a split: counts of classes, or ranges of numbers."""
    labels = split.labels
    if dataset.task == "regression":
        return {
            name: {of: float(getattr(np, of)(values)) for of in ("mean", "std", "min", "max")}
            for name, values in zip(dataset.classes, labels.T, strict=True)
        }
    counts = class_counts(labels, len(dataset.classes))
    facts: dict[str, Any] = {
        f"{split.what}_per_class": {n: int(count) for n, count in zip(dataset.classes, counts, strict=True)}
    }
    if dataset.task == "multilabel":
        facts[f"{split.what}_without_label"] = int((~labels.any(1)).sum())
    return facts


def _advice(data: ImageDataset, max_bad: float) -> list[str]:
    """Return advice if other commands would not accept so many unreadable samples."""
    total, count = len(data.train) + len(data.test) + len(data.bad), len(data.bad)
    allowed = Bad(data.name, data.what, total, max_bad).allowed
    if count <= allowed:
        return []
    enough = math.ceil(100 * count / total) / 100  # two digits, rounded up: it must suffice
    return [
        f"{count} of {total} {data.what} cannot be read, other commands accept {allowed}: repair or remove "
        f"them, or allow more with `data.max_bad={enough:g}`"
    ]
