"""From undecoded splits to an :class:`ImageDataset`: sizes, bad files, storage, statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from autodas.data._augmentation import Augmentation
from autodas.data._form import Form
from autodas.data._images import ImageDataset, Images
from autodas.data._parts import Bad, Part, RawDataset, check_classes, split_parts
from autodas.data._picture_notes import contrast_note, header_notes, natural_channels
from autodas.data._pictures import Header
from autodas.data._reading import evenly_spaced, read_all
from autodas.data._sources import ArraySource, Source
from autodas.data._unreadable import UnreadableError
from autodas.data._value_range import find_value_range
from autodas.data._views import default_image_size, evaluation_view, reduction, square, stored_size
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

    headers = [_read_headers(part, bad.found) for part in (train, test)] if raw.fixed is None else []
    every = [header for part in headers for header in part]
    if raw.fixed is None and not every:
        bad.check()
        raise AutodasError(f"{name}: no readable images are left ({bad.found[0]})")
    native, natural = raw.fixed or (default_image_size(every), natural_channels(every))
    size = options.image_size or min(native, options.max_image_size or native)
    # Decoders release the interpreter lock, but tiny images cost less than handing them to a thread.
    # Only files are read in parallel: other sources make no promise to bear it.
    threads = test.source.paths is not None and any(h.width * h.height > 64**2 for h in every)
    value_range, why = options.value_range, None
    if value_range is None and any(header.deep for header in every):
        value_range, why = find_value_range(name, train if len(train.labels) else test, threads=threads)
    form = Form(options.channels or natural, value_range)

    in_memory: list[torch.Tensor | None] = []
    clipped = 0
    for part, side in ((train, stored_size(size)), (test, size)):
        stored = None
        needed = len(part.labels) * side**2 * form.channels * np.dtype(form.dtype).itemsize
        if options.storage == "memory" or (options.storage == "auto" and needed < MEMORY_LIMIT):
            stored, beyond = _decode(part, side, size, form, bad.found, threads)
            clipped += beyond
        in_memory.append(stored)
    # Judged once, so that one message names all of them.
    bad.check()
    if not len(test.labels) or not (len(train.labels) or raw.train is None):
        raise AutodasError(f"{name}: no readable images are left ({bad.found[0]})")
    images = [
        Images(
            part.source,
            part.selection,
            part.labels,
            channels=form.channels,
            value_range=value_range,
            image_size=size,
            stored=stored,
            bad_allowed=bad.allowed - len(bad.found),
            keys=part.keys,
            groups=part.groups,
        )
        for part, stored in zip((train, test), in_memory, strict=True)
    ]
    check_classes(name, images[0].labels, names, used, Images.what)
    # Where nothing is trained, what is evaluated is looked at.
    seen = _look(images[0] if len(images[0]) else images[1])
    clipped += seen.clipped
    notes = [
        why,
        *header_notes(every, form, size if options.image_size is None else None),
        f"{clipped} images have values beyond the range, which are clipped" if clipped else None,
        contrast_note(seen.contrast, seen.std, Images.what),
    ]
    return ImageDataset(
        name=name,
        train=images[0],
        test=images[1],
        classes=names,
        channels=form.channels,
        image_size=size,
        mean=seen.mean,
        std=seen.std,
        bad=tuple(bad.found),
        default_augmentation=raw.augmentation or default_augmentation(size),
        notes=(*raw.notes, *filter(None, notes)),
        value_range=value_range,
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
    places = evenly_spaced(len(part.selection), _HEADERS_READ)

    def read(number: int) -> Header | str:
        index = int(part.selection[places[number]])
        try:
            return part.source.header(index)
        except UnreadableError as error:
            return f"{part.source.describe(index)}: {error}"

    found = read_all(read, len(places), "reading the headers of images", threads=False)
    bad.extend(reason for reason in found if isinstance(reason, str))
    part.drop(place for place, reason in zip(places, found, strict=True) if isinstance(reason, str))
    return [header for header in found if isinstance(header, Header)]


def _decode(
    part: Part[Source], side: int, size: int, form: Form, bad: list[str], threads: bool
) -> tuple[torch.Tensor, int]:
    """Return pixels (N, side, side, C) of the readable images, and how many were clipped; drop the others."""
    source = part.source
    if isinstance(source, ArraySource) and side == size and form.value_range is None:
        array = source.array
        if array.shape[1:] == (size, size, form.channels) and array.dtype == np.uint8:
            return torch.from_numpy(np.ascontiguousarray(array[part.selection])), 0
    pixels = np.empty((len(part.selection), side, side, form.channels), dtype=form.dtype)

    def decode(place: int) -> bool | str:
        index = int(part.selection[place])
        try:
            picture = source.open(index)
            decoded = picture.decode(form, reduction(picture, side))
            if side != size:
                pixels[place] = square(decoded.pixels, side)
            else:
                pixels[place] = evaluation_view(decoded.pixels, size)
        except UnreadableError as error:
            return f"{source.describe(index)}: {error}"
        return decoded.clipped

    found = read_all(decode, len(pixels), "reading images", threads=threads)
    dropped = [place for place, reason in enumerate(found) if isinstance(reason, str)]
    if dropped:
        bad.extend(reason for reason in found if isinstance(reason, str))
        part.drop(dropped)
        pixels = np.delete(pixels, dropped, axis=0)
    return torch.from_numpy(pixels), sum(reason is True for reason in found)


class _Look(NamedTuple):
    """What the training images look like.

    Args:
        mean, std: of each channel, on the scale 0..1; std is never 0.
        contrast: largest difference of two values in one image, on the scale 0..1; ``None`` without images.
        clipped: how many of those that had to be decoded for this were clipped.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    contrast: float | None
    clipped: int


def _look(train: Images) -> _Look:
    """Look at all images of a split in memory, at a sample when streaming."""
    clipped = 0

    def views() -> Iterator[np.ndarray]:
        """Yield (C, N, S, S)."""
        nonlocal clipped
        if train.pixels is not None:
            for chunk in torch.split(train.pixels, 1024) if len(train) else ():
                yield chunk.permute(1, 0, 2, 3).numpy()
            return
        for i in evenly_spaced(len(train), _STATISTICS_SAMPLE):
            try:
                picture = train.open(i)
                decoded = picture.decode(train.form, reduction(picture, stored_size(train.image_size)))
            except UnreadableError:
                continue
            clipped += decoded.clipped
            yield evaluation_view(decoded.pixels, train.image_size).transpose(2, 0, 1)[:, None]

    # Of bytes the counts of values are exact and quick; of numbers their sums.
    counts = np.zeros((train.channels, 256), dtype=np.int64)
    sums, number = np.zeros((2, train.channels)), 0
    contrast: float | None = None
    for view in views():
        if view.dtype == np.uint8:
            counts += histogram(view)
        else:
            values = view.reshape(len(view), -1).astype(np.float64) / 255
            sums += values.sum(1), (values**2).sum(1)
            number += values.shape[1]
        if contrast is None or contrast < 1 / 4:  # Enough has been seen otherwise.
            spans = np.ptp(view.swapaxes(0, 1).reshape(view.shape[1], -1), axis=1)
            contrast = max(contrast or 0.0, float(spans.max(initial=0)) / 255)
    mean, std = moments(counts) if train.form.value_range is None else _of_sums(sums[0], sums[1], number)
    return _Look(mean, std, contrast, clipped)


def moments(counts: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation, on the scale 0..1, from histograms (C, 256)."""
    values = np.arange(256) / 255
    return _of_sums(counts @ values, counts @ values**2, int(counts[0].sum()))


def _of_sums(
    total: np.ndarray, squares: np.ndarray, number: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation from the sums of values and of their squares, (C,)."""
    mean = total / max(1, number)
    std = np.sqrt(np.maximum(squares / max(1, number) - mean**2, 0))
    std[std < 1e-6] = 1.0  # A constant channel: there is nothing to scale.
    return tuple(mean.tolist()), tuple(std.tolist())


def histogram(channels: np.ndarray) -> np.ndarray:
    """Return how often each value stands in each of the uint8 channels (C, ...): (C, 256)."""
    return np.stack([np.bincount(c.reshape(-1), minlength=256) for c in channels])
