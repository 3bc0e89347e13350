"""From undecoded splits to an :class:`ImageDataset`: sizes, bad files, storage, statistics."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from autodas.data._augmentation import Augmentation
from autodas.data._decode import (
    Header,
    UnreadableImageError,
    convert,
    default_image_size,
    evaluation_view,
    square,
    stored_size,
)
from autodas.data._images import ImageDataset, Images
from autodas.data._sources import ArraySource, Source
from autodas.data._splits import stratified_halves, stratified_subset
from autodas.errors import AutodasError, nearest

MEMORY_LIMIT = 2 << 30
"""Storage ``auto`` holds a split in memory when its pixels are below this many bytes."""
_HEADERS_READ = 20_000
_STATISTICS_SAMPLE = 2_000
_SPLIT_SEED = 0


@dataclass(frozen=True)
class RawSplit:
    """Undecoded images with labels, int64 (N,)."""

    source: Source
    labels: np.ndarray


@dataclass(frozen=True)
class RawDataset:
    """What one kind of data set has to provide.

    Args:
        train: images to train with.
        test: ``None`` if the data have no split of their own: then ``train`` is split 80/20.
        classes: name of each label.
        augmentation: default for these data; ``None`` for the usual one.
        fixed: image size and channels where they are known, so that no headers have to be read.
        notes: what a user should know of how the data were read.
    """

    train: RawSplit
    test: RawSplit | None
    classes: tuple[str, ...]
    augmentation: Augmentation | None = None
    fixed: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Part:
    """A split on its way: which images of the source are in it, and which of those were bad."""

    source: Source
    selection: np.ndarray
    labels: np.ndarray

    def drop(self, bad: Iterable[int]) -> None:
        keep = np.ones(len(self.selection), dtype=bool)
        keep[list(bad)] = False
        self.selection, self.labels = self.selection[keep], self.labels[keep]


def assemble(
    name: str,
    raw: RawDataset,
    *,
    image_size: int | None,
    max_image_size: int | None,
    subset: int | None,
    seed: int,
    max_bad: float,
    storage: str,
) -> ImageDataset:
    """Read what has to be read and return the data set; arguments as of ``open_dataset``."""
    if storage not in ("auto", "memory", "stream"):
        raise AutodasError(f"unknown storage '{storage}'{nearest(storage, ['auto', 'memory', 'stream'])}")
    for option, pixels in (("image_size", image_size), ("max_image_size", max_image_size)):
        if pixels is not None and not 4 <= pixels <= 2048:
            raise AutodasError(f"{option} must be between 4 and 2048 pixels, found {pixels}")
    if not 0 <= max_bad <= 1:
        raise AutodasError(f"max_bad is a fraction between 0 and 1, found {max_bad}")
    train, test = _split(name, raw)
    if subset is not None:
        chosen = stratified_subset(train.labels, subset, seed)
        train.selection, train.labels = train.selection[chosen], train.labels[chosen]
    total = len(train.labels) + len(test.labels)
    allowed = max(1, math.ceil(max_bad * total)) if max_bad > 0 else 0
    bad: list[str] = []
    used = np.unique(train.labels)

    native, channels = raw.fixed or (None, 0)
    if raw.fixed is None:
        headers = [h for part in (train, test) for h in _read_headers(part, bad)]
        _check_bad(name, bad, allowed, total)
        if not len(train.labels) or not len(test.labels):
            raise AutodasError(f"{name}: no readable images are left ({bad[0]})")
        native = default_image_size(headers)
        channels = 1 if all(h.grey for h in headers) else 3
    assert native is not None
    size = image_size or min(native, max_image_size or native)
    augmentation = raw.augmentation or default_augmentation(size)

    images = []
    for part, side in ((train, stored_size(size)), (test, size)):
        stored = None
        if storage == "memory" or (
            storage == "auto" and len(part.labels) * side**2 * channels < MEMORY_LIMIT
        ):
            stored = _decode(part, side, size, channels, bad)
            _check_bad(name, bad, allowed, total)
        images.append(
            Images(
                part.source,
                part.selection,
                part.labels,
                channels=channels,
                image_size=size,
                stored=stored,
                bad_allowed=allowed - len(bad),
            )
        )
    _check_classes(name, images[0], raw.classes, used)
    mean, std = _statistics(images[0])
    return ImageDataset(
        name=name,
        train=images[0],
        test=images[1],
        classes=raw.classes,
        channels=channels,
        image_size=size,
        mean=mean,
        std=std,
        bad=tuple(bad),
        default_augmentation=augmentation,
        notes=raw.notes,
    )


def default_augmentation(image_size: int) -> Augmentation:
    """Return what suits images of no known kind: padded crops up to 64 pixels, resized crops above."""
    if image_size <= 64:
        return Augmentation(crop_padding=image_size // 8, flip=True)
    return Augmentation(random_resized_crop=True, flip=True)


def _split(name: str, raw: RawDataset) -> tuple[_Part, _Part]:
    for where, split in (("training", raw.train), ("test", raw.test)):
        if split is None:
            continue
        if len(split.labels) == 0:
            raise AutodasError(f"{name}: there are no {where} images")
        low, high = split.labels.min(), split.labels.max()
        if low < 0 or high >= len(raw.classes):
            found = low if low < 0 else high
            hint = " (is the split without labels?)" if low == -1 else ""
            raise AutodasError(
                f"{name}: labels out of range: {found} in the {where} images, but there are "
                f"{len(raw.classes)} classes, numbered 0..{len(raw.classes) - 1}{hint}"
            )
    if len(raw.classes) < 2:
        raise AutodasError(f"{name}: at least two classes are needed, found {len(raw.classes)}")
    if raw.test is None:
        try:
            halves = stratified_halves(raw.train.labels, 0.8, _SPLIT_SEED, classes=raw.classes)
        except AutodasError as error:
            raise AutodasError(f"{name}: {error}") from error
        first, second = (_Part(raw.train.source, half, raw.train.labels[half]) for half in halves)
        return first, second
    first, second = (
        _Part(split.source, np.arange(len(split.labels)), np.asarray(split.labels, dtype=np.int64))
        for split in (raw.train, raw.test)
    )
    return first, second


def _read_headers(part: _Part, bad: list[str]) -> list[Header]:
    """Return the headers of the images, of evenly spaced ones when there are very many; drop bad ones."""
    if isinstance(part.source, ArraySource):
        return [part.source.header(0)]
    headers, dropped = [], []
    count = len(part.selection)
    for i in np.unique(np.linspace(0, count - 1, min(count, _HEADERS_READ)).astype(int)):
        index = int(part.selection[i])
        try:
            headers.append(part.source.header(index))
        except UnreadableImageError as error:
            bad.append(f"{part.source.describe(index)}: {error}")
            dropped.append(int(i))
    part.drop(dropped)
    return headers


def _decode(part: _Part, side: int, size: int, channels: int, bad: list[str]) -> torch.Tensor:
    """Return uint8 (N, side, side, C) of the readable images and drop the others."""
    source = part.source
    if isinstance(source, ArraySource) and source.array.shape[1:] == (size, size, channels) and side == size:
        return torch.from_numpy(np.ascontiguousarray(source.array[part.selection]))
    pixels = np.empty((len(part.selection), side, side, channels), dtype=np.uint8)

    def decode(place: int) -> str | None:
        index = int(part.selection[place])
        try:
            image = convert(source.open(index), channels)
            pixels[place] = square(image, side) if side != size else evaluation_view(image, size)
        except UnreadableImageError as error:
            return f"{source.describe(index)}: {error}"
        return None

    # Decoders release the interpreter lock, but tiny images cost less than handing them to a thread.
    # Only files are read in parallel: other sources make no promise to bear it.
    if source.paths is not None and side > 64:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            reasons = list(threads.map(decode, range(len(pixels))))
    else:
        reasons = [decode(place) for place in range(len(pixels))]
    dropped = [place for place, reason in enumerate(reasons) if reason is not None]
    if dropped:
        bad.extend(reason for reason in reasons if reason is not None)
        part.drop(dropped)
        pixels = np.delete(pixels, dropped, axis=0)
    return torch.from_numpy(pixels)


def _check_bad(name: str, bad: list[str], allowed: int, total: int) -> None:
    if len(bad) > allowed:
        raise AutodasError(f"{name}: {too_many_bad(bad, allowed, total)}")


def too_many_bad(bad: list[str], allowed: int, total: int) -> str:
    """Return the message for more unreadable images than are allowed."""
    first = "; ".join(bad[:3]) + ("; ..." if len(bad) > 3 else "")
    # Two digits, rounded up: the value that is named must suffice.
    enough = math.ceil(100 * len(bad) / total) / 100
    return (
        f"{len(bad)} of {total} images cannot be read, {allowed} are allowed ({first}): "
        f"repair or remove them, or allow more with max_bad={enough:g}"
    )


def _check_classes(name: str, train: Images, classes: tuple[str, ...], before: np.ndarray) -> None:
    lost = np.setdiff1d(before, train.labels)
    if len(lost):
        raise AutodasError(
            f"{name}: class '{classes[lost[0]]}' has no readable training image: repair or remove it"
        )


def _statistics(train: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation a channel, exact in memory, of a sample when streaming."""
    counts = np.zeros((train.channels, 256), dtype=np.int64)
    if train.pixels is not None:
        for chunk in torch.split(train.pixels, 1024):
            counts += _histogram(chunk.permute(1, 0, 2, 3).numpy())
    else:
        for i in np.unique(np.linspace(0, len(train) - 1, min(len(train), _STATISTICS_SAMPLE)).astype(int)):
            try:
                view = evaluation_view(train.open(int(i)), train.image_size)
            except UnreadableImageError:
                continue
            counts += _histogram(view.transpose(2, 0, 1))
    values, number = np.arange(256) / 255, max(1, int(counts[0].sum()))
    mean = counts @ values / number
    variance = counts @ values**2 / number - mean**2
    std = np.sqrt(np.maximum(variance, 0))
    std[std < 1e-6] = 1.0  # A constant channel: there is nothing to scale.
    return tuple(mean.tolist()), tuple(std.tolist())


def _histogram(channels: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(c.reshape(-1), minlength=256) for c in channels])
