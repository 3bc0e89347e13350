"""From undecoded splits to an :class:`ImageDataset`: sizes, bad files, storage, statistics."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from autodas.data._augmentation import Augmentation
from autodas.data._decode import (
    Header,
    UnreadableError,
    convert,
    default_image_size,
    evaluation_view,
    square,
    stored_size,
)
from autodas.data._images import ImageDataset, Images
from autodas.data._parts import Bad, Part, RawDataset, check_classes, split_parts
from autodas.data._sources import ArraySource, Source
from autodas.data_options import DataOptions
from autodas.errors import AutodasError

MEMORY_LIMIT = 2 << 30
"""Storage ``auto`` holds a split in memory when its pixels are below this many bytes."""
_HEADERS_READ = 20_000
_STATISTICS_SAMPLE = 2_000


def assemble(name: str, raw: RawDataset[Source], options: DataOptions, *, seed: int) -> ImageDataset:
    """Read what has to be read and return the data set; arguments as of ``open_dataset``."""
    train, test, names = split_parts(name, raw, Images.what, options, seed=seed)
    bad = Bad(name, Images.what, len(train.labels) + len(test.labels), options.max_bad)
    used = np.unique(train.labels)

    native, channels = raw.fixed or (None, 0)
    if raw.fixed is None:
        headers = [h for part in (train, test) for h in _read_headers(part, bad.found)]
        if not headers:
            bad.check()
            raise AutodasError(f"{name}: no readable images are left ({bad.found[0]})")
        native = default_image_size(headers)
        channels = 1 if all(h.grey for h in headers) else 3
    assert native is not None
    size = options.image_size or min(native, options.max_image_size or native)
    augmentation = raw.augmentation or default_augmentation(size)

    stored: list[torch.Tensor | None] = []
    for part, side in ((train, stored_size(size)), (test, size)):
        in_memory = options.storage == "memory" or (
            options.storage == "auto" and len(part.labels) * side**2 * channels < MEMORY_LIMIT
        )
        stored.append(_decode(part, side, size, channels, bad.found) if in_memory else None)
    # Judged once, so that one message names all of them.
    bad.check()
    if not len(test.labels) or not (len(train.labels) or raw.train is None):
        raise AutodasError(f"{name}: no readable images are left ({bad.found[0]})")
    images = [
        Images(
            part.source,
            part.selection,
            part.labels,
            channels=channels,
            image_size=size,
            stored=pixels,
            bad_allowed=bad.allowed - len(bad.found),
            keys=part.keys,
            groups=part.groups,
        )
        for part, pixels in zip((train, test), stored, strict=True)
    ]
    check_classes(name, images[0].labels, names, used, Images.what)
    mean, std = _statistics(images[0])
    return ImageDataset(
        name=name,
        train=images[0],
        test=images[1],
        classes=names,
        channels=channels,
        image_size=size,
        mean=mean,
        std=std,
        bad=tuple(bad.found),
        default_augmentation=augmentation,
        notes=raw.notes,
    )


def default_augmentation(image_size: int) -> Augmentation:
    """Return what suits images of no known kind: padded crops up to 64 pixels, resized crops above."""
    if image_size <= 64:
        return Augmentation(crop_padding=image_size // 8, flip=True)
    return Augmentation(random_resized_crop=True, flip=True)


def _read_headers(part: Part[Source], bad: list[str]) -> list[Header]:
    """Return the headers of the images, of evenly spaced ones when there are very many; drop bad ones."""
    if isinstance(part.source, ArraySource):
        return [part.source.header(0)]
    headers, dropped = [], []
    count = len(part.selection)
    for i in np.unique(np.linspace(0, count - 1, min(count, _HEADERS_READ)).astype(int)):
        index = int(part.selection[i])
        try:
            headers.append(part.source.header(index))
        except UnreadableError as error:
            bad.append(f"{part.source.describe(index)}: {error}")
            dropped.append(int(i))
    part.drop(dropped)
    return headers


def _decode(part: Part[Source], side: int, size: int, channels: int, bad: list[str]) -> torch.Tensor:
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
        except UnreadableError as error:
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


def _statistics(train: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation a channel, exact in memory, of a sample when streaming."""
    counts = np.zeros((train.channels, 256), dtype=np.int64)
    if train.pixels is not None:
        for chunk in torch.split(train.pixels, 1024):
            counts += histogram(chunk.permute(1, 0, 2, 3).numpy())
    else:
        for i in np.unique(np.linspace(0, len(train) - 1, min(len(train), _STATISTICS_SAMPLE)).astype(int)):
            try:
                view = evaluation_view(train.open(int(i)), train.image_size)
            except UnreadableError:
                continue
            counts += histogram(view.transpose(2, 0, 1))
    return moments(counts)


def moments(counts: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation, on the scale 0..1, from histograms (C, 256)."""
    values, number = np.arange(256) / 255, max(1, int(counts[0].sum()))
    mean = counts @ values / number
    variance = counts @ values**2 / number - mean**2
    std = np.sqrt(np.maximum(variance, 0))
    std[std < 1e-6] = 1.0  # A constant channel: there is nothing to scale.
    return tuple(mean.tolist()), tuple(std.tolist())


def histogram(channels: np.ndarray) -> np.ndarray:
    """Return how often each value stands in each of the uint8 channels (C, ...): (C, 256)."""
    return np.stack([np.bincount(c.reshape(-1), minlength=256) for c in channels])
