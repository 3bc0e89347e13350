"""Facts of a data set, for people who want to know what autodas makes of their files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from autodas.data._open import open_dataset
from autodas.data._split import Split
from autodas.data._videos import Videos
from autodas.data_options import DataOptions


def check_dataset(
    name: str, options: DataOptions | None = None, *, seed: int = 0, **changes: Any
) -> dict[str, Any]:
    """Open a data set and describe it; arguments and errors are those of ``open_dataset``.

    Returns:
        Plain data: ``name``, ``classes``, ``channels``, ``image_size``, of videos ``clips`` (frames and
        step), ``train`` and ``test`` (each with ``images``, ``images_per_class``, ``storage``,
        ``bytes_in_memory``; of videos with ``videos`` and what :meth:`Videos.facts` tells), ``mean``,
        ``std``, ``augmentation``, ``bad`` and ``warnings``.
    """
    data = open_dataset(name, options, seed=seed, **changes)
    return {
        "name": data.name,
        "classes": list(data.classes),
        "channels": data.channels,
        "image_size": data.image_size,
        **({} if data.clips is None else {"clips": asdict(data.clips)}),
        "train": _facts(data.train, data.classes),
        "test": _facts(data.test, data.classes),
        "mean": list(data.mean),
        "std": list(data.std),
        "augmentation": str(data.default_augmentation),
        "bad": list(data.bad),
        "warnings": list(data.notes),
    }


def _facts(split: Split, classes: tuple[str, ...]) -> dict[str, Any]:
    counts = np.bincount(split.labels, minlength=len(classes))
    facts: dict[str, Any] = {
        split.what: len(split),
        f"{split.what}_per_class": {name: int(count) for name, count in zip(classes, counts, strict=True)},
        "storage": split.storage,
        "bytes_in_memory": split.bytes_in_memory,
    }
    return facts | (split.facts() if isinstance(split, Videos) else {})
