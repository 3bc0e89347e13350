"""CIFAR-10 and CIFAR-100, from Parquet files or the official python batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.files._restricted_pickle import read_pickle
from autodas.data.pixels._sources import ArraySource, Source
from autodas.data.sets._image_folder import existing_path
from autodas.data.sets._parquet import read_parquet_files
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.errors import AutodasError

_AUGMENTATION = Augmentation(crop_padding=4, flip=True)
_SIZE = 32


@dataclass(frozen=True)
class _Variant:
    """Names of the official files of one of the sets."""

    name: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    label: bytes
    names: bytes
    classes: int


_CIFAR10 = _Variant(
    name="cifar10",
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test="test_batch",
    meta="batches.meta",
    label=b"labels",
    names=b"label_names",
    classes=10,
)
_CIFAR100 = _Variant(
    name="cifar100",
    folder="cifar-100-python",
    train=("train",),
    test="test",
    meta="meta",
    label=b"fine_labels",
    names=b"fine_label_names",
    classes=100,
)


def read_cifar10(rest: str) -> RawDataset[Source]:
    """Read CIFAR-10."""
    return _read(_CIFAR10, rest)


def read_cifar100(rest: str) -> RawDataset[Source]:
    """Read CIFAR-100 with its 100 fine labels."""
    return _read(_CIFAR100, rest)


def _read(variant: _Variant, rest: str) -> RawDataset[Source]:
    root = existing_path(rest, variant.name) if rest else _usual_place(variant.name)
    if os.path.isfile(root) and root.suffix != ".parquet":
        raise AutodasError(f"{root}: is a file: unpack it and write {variant.name}:FOLDER")
    files = [root] if os.path.isfile(root) else sorted(root.rglob("*.parquet"))
    if files:
        data = read_parquet_files(root, files)
        if data.train is None or data.test is None:
            raise AutodasError(f"{root}: train-*.parquet and test-*.parquet are expected for {variant.name}")
        # Images of these sets are identified by their position in the files: all splits are fixed that way.
        train, test = (replace(part, keys=None) for part in (data.train, data.test))
        data = replace(data, train=train, test=test, augmentation=_AUGMENTATION)
        # The first image stands for all: all have the same size. Other sets are read as parquet.
        first = train.source.header(0)
        if (first.width, first.height, first.grey) != (_SIZE, _SIZE, False):
            raise AutodasError(
                f"{root}: not {variant.name}: its images are not 32x32 RGB; write parquet:{root}"
            )
        data = replace(data, fixed=(_SIZE, 3))
    else:
        data = _read_batches(variant, root)
    if len(data.classes) != variant.classes:
        raise AutodasError(
            f"{root}: not {variant.name}: it has {len(data.classes)} classes, {variant.classes} are expected"
        )
    return data


def _usual_place(name: str) -> Path:
    home = os.environ.get("AUTODAS_DATA")
    places = ([Path(home) / name] if home else []) + [Path("data") / name]
    for place in places:
        if os.path.isdir(place):
            return place
    looked = " and ".join(str(place) for place in places)
    raise AutodasError(
        f"data set '{name}' is not in {looked}: write {name}:PATH with the folder of its Parquet files or "
        "official python batches, or set AUTODAS_DATA to the folder that holds it"
    )


def _read_batches(variant: _Variant, root: Path) -> RawDataset[Source]:
    folder = root / variant.folder if os.path.isdir(root / variant.folder) else root
    missing = [n for n in (*variant.train, variant.test, variant.meta) if not os.path.isfile(folder / n)]
    if missing:
        raise AutodasError(
            f"{folder}: neither *.parquet files nor the official python batches of {variant.name} are here "
            f"(missing: {', '.join(missing)})"
        )
    meta = read_pickle(folder / variant.meta)
    names = meta.get(variant.names) if isinstance(meta, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise AutodasError(f"{folder / variant.meta}: no list '{variant.names.decode()}' of class names")
    return RawDataset(
        train=_read_files(variant, [folder / name for name in variant.train]),
        test=_read_files(variant, [folder / variant.test]),
        classes=tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names),
        augmentation=_AUGMENTATION,
        fixed=(_SIZE, 3),
    )


def _read_files(variant: _Variant, paths: Sequence[Path]) -> RawSplit[Source]:
    pixels, labels = [], []
    for path in paths:
        batch = read_pickle(path)
        # Files written by Python 3 may have text keys.
        batch = (
            {k.encode("utf-8", "replace") if isinstance(k, str) else k: v for k, v in batch.items()}
            if isinstance(batch, dict)
            else {}
        )
        data, numbers = batch.get(b"data"), batch.get(variant.label)
        if (
            not isinstance(data, np.ndarray)
            or data.dtype != np.uint8
            or data.ndim != 2
            or data.shape[1] != 3 * _SIZE**2
            or not isinstance(numbers, list)
            or len(numbers) != len(data)
            or not all(isinstance(number, int) and abs(number) < 2**63 for number in numbers)
        ):
            raise AutodasError(
                f"{path}: not a batch of {variant.name}: uint8 'data' (N, 3072) and as many "
                f"'{variant.label.decode()}' are expected"
            )
        pixels.append(data.reshape(-1, 3, _SIZE, _SIZE).transpose(0, 2, 3, 1))
        labels += numbers
    return RawSplit(ArraySource(np.concatenate(pixels)), np.array(labels, dtype=np.int64))
