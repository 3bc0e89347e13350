"""Assembly of an :class:`ImageDataset` from undecoded splits: sizes, bad files, storage, statistics."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from autodas.cache_folder import cache_folder
from autodas.data._dataset import ImageDataset
from autodas.data._picture_notes import contrast_note, header_notes, natural_channels
from autodas.data._value_range import find_value_range
from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.files._progress import evenly_spaced, read_all
from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._form import Form
from autodas.data.pixels._formats import Header
from autodas.data.pixels._kept_images import DecodedImages, KeptImages
from autodas.data.pixels._sources import ArraySource, Source
from autodas.data.pixels._views import default_image_size, evaluation_view, reduction, square, stored_size
from autodas.data.splits._images import Images
from autodas.data.splits._parts import Bad, Part, RawDataset, check_classes, split_parts
from autodas.data_options import DataOptions, TaskName
from autodas.errors import AutodasError
from autodas.terminal import message

MEMORY_LIMIT = 2 << 30
"""Storage ``auto`` holds a split in memory if its pixels take fewer bytes than this."""
_LONG = 5.0
"""Decoding time in seconds from which decoded images are stored on disk."""
_HEADERS_READ = 20_000
_STATISTICS_SAMPLE = 2_000


def assemble(name: str, raw: RawDataset[Source], options: DataOptions, *, seed: int) -> ImageDataset:
    """Assemble a data set, reading its samples as far as necessary; arguments as in ``open_dataset``."""
    train, test, names = split_parts(name, raw, Images.what, options, seed=seed)
    bad = Bad(name, Images.what, len(train.labels) + len(test.labels), options.max_bad)
    before = train.labels

    headers = [_read_headers(part, bad.found) for part in (train, test)] if raw.fixed is None else []
    every = [header for part in headers for header in part]
    if raw.fixed is None and not every:
        bad.check()
        raise AutodasError(f"{name}: no readable images are left ({bad.found[0]})")
    native, natural = raw.fixed or (default_image_size(every), natural_channels(every))
    size = options.image_size or min(native, options.max_image_size or native)
    # Decoders release the interpreter lock, but for tiny images handing them to a thread costs more. Only
    # files are read in parallel: other sources need not be thread-safe.
    threads = test.source.paths is not None and any(h.width * h.height > 64**2 for h in every)
    value_range, why = options.value_range, None
    if value_range is None and any(header.deep for header in every):
        value_range, why = find_value_range(name, train if len(train.labels) else test, threads=threads)
    form = Form(options.channels or natural, value_range)

    in_memory: list[torch.Tensor | None] = []
    clipped = 0
    for part, side in ((train, stored_size(size)), (test, size)):
        decoded = _in_memory(part, name, side, size, form, options, threads)
        if decoded is None:
            in_memory.append(None)
            continue
        clipped += decoded.clipped
        bad.found += decoded.bad.values()
        part.drop(decoded.bad)
        pixels = np.delete(decoded.pixels, list(decoded.bad), axis=0) if decoded.bad else decoded.pixels
        in_memory.append(torch.from_numpy(pixels))
    # Checked once, so that one message names all of them.
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
    check_classes(name, images[0].labels, names, before, Images.what)
    # If nothing is trained, the evaluated samples are examined.
    seen = _look(images[0] if len(images[0]) else images[1], threads)
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
        default_augmentation=raw.augmentation or default_augmentation(size, raw.task),
        notes=(*raw.notes, *filter(None, notes)),
        value_range=value_range,
        task=raw.task,
    )


def default_augmentation(image_size: int, task: TaskName) -> Augmentation:
    """Return the default for images of unknown kind: padded crops up to 64 pixels, resized crops above.

    For regression there is none: a mirrored or enlarged image may have other numbers.
    """
    if task == "regression":
        return Augmentation()
    if image_size <= 64:
        return Augmentation(crop_padding=image_size // 8, flip=True)
    return Augmentation(random_resized_crop=True, flip=True)


def _read_headers(part: Part[Source], bad: list[str]) -> list[Header]:
    """Return the headers of the images, for very many of evenly spaced ones, and drop bad ones."""
    if isinstance(part.source, ArraySource):
        return [part.source.header(0)]
    places = evenly_spaced(len(part.selection), _HEADERS_READ)

    def read(number: int) -> Header | str:
        index = int(part.selection[places[number]])
        try:
            return part.source.header(index)
        except UnreadableError as error:
            return f"{part.source.describe(index)}: {error}"

    results = read_all(read, len(places), "reading the headers of images", threads=False)
    bad.extend(reason for reason in results if isinstance(reason, str))
    part.drop(place for place, reason in zip(places, results, strict=True) if isinstance(reason, str))
    return [header for header in results if isinstance(header, Header)]


def _in_memory(
    part: Part[Source], name: str, side: int, size: int, form: Form, options: DataOptions, threads: bool
) -> DecodedImages | None:
    """Return the pixels of all images of a part; ``None`` if they are too many to be held in memory."""
    needed = len(part.labels) * side**2 * form.channels * np.dtype(form.dtype).itemsize
    if options.storage == "stream" or (options.storage == "auto" and needed >= MEMORY_LIMIT):
        return None
    kept = _kept(part, name, side, size, form, options)
    source = part.source
    if isinstance(source, ArraySource) and side == size and form.value_range is None:
        array = source.array
        if array.shape[1:] == (size, size, form.channels) and array.dtype == np.uint8:
            return DecodedImages(np.ascontiguousarray(array[part.selection]), {}, 0)
    stored = kept.read() if kept is not None else None
    if kept is not None and stored is not None:
        # Previous failures may be readable by now: a library was installed, a disk is available again.
        bad, clipped = _decode(part, list(stored.bad), stored.pixels, size, form, threads)
        again = DecodedImages(stored.pixels, bad, stored.clipped + clipped)
        if len(bad) < len(stored.bad):
            kept.write(again)
        return again
    start = time.monotonic()
    pixels = np.zeros((len(part.selection), side, side, form.channels), dtype=form.dtype)
    decoded = DecodedImages(pixels, *_decode(part, range(len(pixels)), pixels, size, form, threads))
    long = time.monotonic() - start > _LONG or options.storage == "cache"
    if kept is not None and long:
        where = f"{kept.path.parent} ({needed / 2**20:.1f} MiB)"
        note = (
            f"{len(pixels)} decoded images are stored in {where}; 'autodas data cache' lists and clears them"
            if kept.write(decoded)
            else f"{len(pixels)} decoded images cannot be stored in {where}: each command will decode them"
        )
        print(message(note), file=sys.stderr)
    return decoded


def _kept(
    part: Part[Source], name: str, side: int, size: int, form: Form, options: DataOptions
) -> KeptImages | None:
    """Return the file for the decoded images of a part, if they come from files.

    Raises:
        AutodasError: if they do not, but storage was requested.
    """
    for option, asked in (
        ("storage cache", options.storage == "cache"),
        ("cache", options.cache is not None),
    ):
        if asked and part.source.paths is None:
            raise AutodasError(f"{option} is for files, but the images of '{name}' are not files: omit it")
    root = Path(options.cache).expanduser() if options.cache else cache_folder("frames")
    if part.source.paths is None or root is None or options.storage == "memory" or not len(part.selection):
        return None
    paths = [part.source.paths[index] for index in part.selection]
    return KeptImages(root, name, paths, side, form, square=side != size)


def _decode(
    part: Part[Source], places: Sequence[int], pixels: np.ndarray, size: int, form: Form, threads: bool
) -> tuple[dict[int, str], int]:
    """Decode images of a part into their positions in ``pixels``, (N, S, S, C).

    Returns:
        Reasons why images cannot be read, by index, and the number with values beyond the range.
    """
    source, side = part.source, pixels.shape[1]

    def decode(number: int) -> bool | str:
        place = places[number]
        index = int(part.selection[place])
        try:
            with source.open(index) as picture:
                decoded = picture.decode(form, reduction(picture, side))
                cut = evaluation_view(decoded.pixels, size) if side == size else square(decoded.pixels, side)
            pixels[place] = cut
        except UnreadableError as error:
            return f"{source.describe(index)}: {error}"
        return decoded.clipped

    results = read_all(decode, len(places), "reading images", threads=threads)
    bad = {place: reason for place, reason in zip(places, results, strict=True) if isinstance(reason, str)}
    return bad, sum(reason is True for reason in results)


class _Look(NamedTuple):
    """Statistics of the training images.

    Args:
        mean: mean of each channel, on the scale 0..1.
        std: standard deviation of each channel, likewise; never 0.
        contrast: largest difference of two values in one image, on the scale 0..1; ``None`` without images.
        clipped: number of clipped images among those that had to be decoded for this.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    contrast: float | None
    clipped: int


def _look(train: Images, threads: bool) -> _Look:
    """Examine all images of a split in memory, or a sample when streaming."""

    def view(number: int) -> tuple[np.ndarray, float, bool] | None:
        try:
            with train.open(places[number]) as picture:
                decoded = picture.decode(train.form, reduction(picture, stored_size(train.image_size)))
                seen = evaluation_view(decoded.pixels, train.image_size).transpose(2, 0, 1)[:, None]
        except UnreadableError:
            return None
        return _sums(seen), _span(seen), decoded.clipped

    # Sums of no image, to which those of all images are added.
    total = _sums(np.zeros((train.channels, 0, 1, 1), train.form.dtype))
    contrast, clipped = 0.0, 0
    if train.pixels is not None:
        for chunk in torch.split(train.pixels, 1024) if len(train) else ():
            pixels = chunk.permute(1, 0, 2, 3).numpy()
            total += _sums(pixels)
            if contrast < 1 / 4:  # otherwise enough has been seen
                contrast = max(contrast, _span(pixels))
        number = len(train)
    else:
        places = evenly_spaced(len(train), _STATISTICS_SAMPLE)
        what = f"looking at {len(places):,} images"
        statistics = [one for one in read_all(view, len(places), what, threads=threads) if one is not None]
        for sums, span, beyond in statistics:
            total += sums
            contrast, clipped = max(contrast, span), clipped + beyond
        number = len(statistics)
    mean, std = moments(total) if train.form.value_range is None else _of_sums(*total)
    return _Look(mean, std, contrast if number else None, clipped)


def _sums(view: np.ndarray) -> np.ndarray:
    """Return the data from which statistics are computed, for each channel of pixels (C, N, S, S).

    For bytes these are counts of each value (C, 256), which are exact and fast; for other numbers their sum,
    the sum of their squares and their count (3, C).
    """
    if view.dtype == np.uint8:
        return histogram(view)
    values = view.reshape(len(view), -1).astype(np.float64) / 255
    return np.stack([values.sum(1), (values**2).sum(1), np.full(len(view), values.shape[1], np.float64)])


def _span(view: np.ndarray) -> float:
    """Return the largest difference of two values in one image, on the scale 0..1, of pixels (C, N, S, S)."""
    return float(np.ptp(view.swapaxes(0, 1).reshape(view.shape[1], -1), axis=1).max(initial=0)) / 255


def moments(counts: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation, on the scale 0..1, from histograms (C, 256)."""
    values = np.arange(256) / 255
    return _of_sums(counts @ values, counts @ values**2, counts.sum(1))


def _of_sums(
    total: np.ndarray, squares: np.ndarray, number: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation from sums of values and of their squares, and counts, all (C,)."""
    number = np.maximum(number, 1)
    mean = total / number
    std = np.sqrt(np.maximum(squares / number - mean**2, 0))
    std[std < 1e-6] = 1.0  # a constant channel cannot be scaled
    return tuple(mean.tolist()), tuple(std.tolist())


def histogram(channels: np.ndarray) -> np.ndarray:
    """Return the count of each value in each of the uint8 channels (C, ...): (C, 256)."""
    return np.stack([np.bincount(c.reshape(-1), minlength=256) for c in channels])
