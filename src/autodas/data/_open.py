"""The registry of data sets: to add one, write a function and an entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autodas.data._assemble import RawDataset, assemble
from autodas.data._cifar import read_cifar10, read_cifar100
from autodas.data._digits import read_digits
from autodas.data._folder import read_folder
from autodas.data._hub import read_hub
from autodas.data._images import ImageDataset
from autodas.data._parquet import read_parquet
from autodas.data._python import read_python
from autodas.errors import AutodasError, nearest


@dataclass(frozen=True)
class Kind:
    """One kind of data set.

    Args:
        read: takes what follows the colon of the name (empty if nothing does).
        what: what it is, one line.
        how: how to write it.
    """

    read: Callable[[str], RawDataset]
    what: str
    how: str


REGISTRY: dict[str, Kind] = {
    "digits": Kind(
        read_digits, "1,797 real handwritten digits, 8x8 grey, 10 classes; needs no download", "digits"
    ),
    "cifar10": Kind(
        read_cifar10,
        "CIFAR-10, 32x32 RGB, from Parquet files or the official python batches",
        "cifar10:PATH, or cifar10 with the files in $AUTODAS_DATA/cifar10 or ./data/cifar10",
    ),
    "cifar100": Kind(
        read_cifar100,
        "CIFAR-100, 32x32 RGB, from Parquet files or the official python batches",
        "cifar100:PATH, or cifar100 with the files in $AUTODAS_DATA/cifar100 or ./data/cifar100",
    ),
    "imagefolder": Kind(
        read_folder,
        "image files in one folder a class; with train/ and test/ (or val/), or split 80/20",
        "imagefolder:PATH",
    ),
    "parquet": Kind(
        read_parquet,
        "Parquet files with an image and a label column; train-* and test-* files, or split 80/20",
        "parquet:FILE or parquet:FOLDER",
    ),
    "python": Kind(
        read_python,
        "your own function: fn('train') and fn('test') return arrays (images, labels) or a torch Dataset",
        "python:package.module:function",
    ),
    "hf": Kind(
        read_hub, "a data set of the Hugging Face hub (extra autodas[hf])", "hf:NAME or hf:NAME:CONFIG"
    ),
}


def open_dataset(
    name: str,
    *,
    image_size: int | None = None,
    max_image_size: int | None = None,
    subset: int | None = None,
    seed: int = 0,
    max_bad: float = 0.01,
    storage: str = "auto",
) -> ImageDataset:
    """Open a data set; classes, channels and sizes are inferred from it.

    Args:
        name: ``digits``, ``cifar10[:PATH]``, ``cifar100[:PATH]``, ``imagefolder:PATH``,
            ``parquet:PATH``, ``python:module:function`` or ``hf:NAME``; see :func:`dataset_names`.
        image_size: side in pixels of what the network sees, 4 to 2048. ``None``: the native size if all
            images are squares of one size up to 64, otherwise the largest short side among them, at
            most 224, rounded down to a multiple of 8. Images are resized so that the short side is
            ``image_size`` (from 128 on: 256/224 of it), and the centre is cut out.
        max_image_size: the largest side that ``image_size=None`` may come to.
        subset: use only that many training images, in proportion to the classes and at least 2 a class.
        seed: chooses the subset.
        max_bad: fraction of all images, in [0, 1], that may be unreadable (at least one image unless
            it is 0). Those are left out and named.
        storage: ``memory`` holds decoded images, ``stream`` reads files when they are needed, ``auto``
            holds a split in memory if its pixels take less than 2 GiB.

    Raises:
        AutodasError: if the name is unknown, the data are missing or malformed, or too many images are
            unreadable.
    """
    kind, _, rest = name.partition(":")
    if kind not in REGISTRY:
        if Path(name).exists():
            hint = "parquet" if Path(name).is_file() else "imagefolder"
            raise AutodasError(f"'{name}' is a path, not a data set: write {hint}:{name}")
        raise AutodasError(f"unknown data set '{kind}'{nearest(kind, list(REGISTRY))}")
    return assemble(
        name,
        REGISTRY[kind].read(rest),
        image_size=image_size,
        max_image_size=max_image_size,
        subset=subset,
        seed=seed,
        max_bad=max_bad,
        storage=storage,
    )


def dataset_names() -> list[dict[str, str]]:
    """Return the kinds of data sets: ``name``, ``what`` it is, ``how`` to write it."""
    return [{"name": name, "what": kind.what, "how": kind.how} for name, kind in REGISTRY.items()]
