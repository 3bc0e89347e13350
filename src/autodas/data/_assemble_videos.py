"""Assembly of a data set from undecoded videos: bad files, sizes, storage, statistics."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from autodas.cache_folder import cache_folder
from autodas.data._assemble import histogram, moments
from autodas.data._dataset import ImageDataset
from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.frames._flow import FlowEncoding
from autodas.data.frames._flow_frames import FlowFrames
from autodas.data.frames._sources import ArrayFrames, FrameFolders, FrameSource
from autodas.data.frames._store import FrameStore, StoredFrames
from autodas.data.frames._stored_video import Encoding
from autodas.data.pixels._decode import UnreadableError
from autodas.data.pixels._form import Form
from autodas.data.splits._clips import Clips
from autodas.data.splits._parts import Bad, Part, RawVideos, check_classes, split_parts
from autodas.data.splits._videos import Videos, clip_side
from autodas.data_options import DataOptions
from autodas.errors import AutodasError
from autodas.terminal import message

_LARGEST = 112
_PROBED = 2_000
_STATISTICS_SAMPLE = 200


def assemble_videos(
    name: str,
    raw: RawVideos,
    options: DataOptions,
    *,
    seed: int,
    say: Callable[[str], None] = lambda line: print(message(line), file=sys.stderr),
) -> ImageDataset:
    """Assemble a data set, reading its samples as far as necessary; arguments as in ``open_dataset``.

    ``say`` reports time and space needed, in one line.
    """
    if options.value_range is not None:
        raise AutodasError(f"value_range is for images, but '{name}' contains videos of 8 bits: omit it")
    clips = Clips(
        options.frames or 16,
        options.frame_step or 1,
        fps=options.fps,
        sampling=options.sampling,
        starts=options.starts,
    )
    storage, modality = options.storage, options.modality
    train, test, names = split_parts(name, raw, Videos.what, options, seed=seed)
    bad = Bad(name, Videos.what, len(train.labels) + len(test.labels), options.max_bad)
    before = train.labels
    short_sides = [side for part in (train, test) for side in _probe(part, bad.found)]
    bad.check()
    if not len(test.labels) or not (len(train.labels) or raw.train is None):
        raise AutodasError(f"{name}: no readable videos are left ({bad.found[0]})")
    size = options.image_size or _default_size(short_sides, options.max_image_size)
    in_arrays = isinstance(train.source, ArrayFrames)
    side = size if in_arrays else clip_side(size)
    if in_arrays and storage in ("cache", "compressed"):
        raise AutodasError(f"{name}: its videos are in memory; data.storage {storage} is for files")
    if clips.fps is not None and isinstance(train.source, ArrayFrames | FrameFolders):
        kind = "in memory" if in_arrays else "folders of frames"
        raise AutodasError(
            f"{name}: its videos are {kind}, which have no clock: use data.frame_step instead of data.fps"
        )
    if storage == "memory" and not in_arrays:
        raise AutodasError(f"{name}: decoded videos take too much memory; use data.storage cache")

    natural = 2 if modality == "flow" else train.source.channels
    channels = options.channels or natural
    if channels != natural and (modality == "flow" or channels not in (1, 3)):
        raise AutodasError(
            f"{name}: its videos have {natural} channels, not convertible to data.channels={channels}"
        )
    splits = []
    for part in (train, test):
        stored = None if in_arrays and modality == "rgb" else _store(part, name, side, options, say)
        if stored is not None:
            part.source, part.selection = stored, np.arange(len(part.labels))
            bad.found += [f"{stored.describe(place)}: {reason}" for place, reason in stored.bad.items()]
            part.drop(stored.bad)
            bad.check()
        splits.append(
            Videos(
                part.source,
                part.selection,
                part.labels,
                channels=channels,
                image_size=size,
                clips=clips,
                side=side,
                stored=_in_memory(part, clips, size, channels),
                bad_allowed=bad.allowed - len(bad.found),
                keys=part.keys,
                groups=part.groups,
            )
        )
    check_classes(name, splits[0].labels, names, before, Videos.what)
    mean, std, contrast = _statistics(splits[0])
    blank = (
        "each of the training videos shows a single colour: 'autodas data check -o' draws the network's input"
    )
    return ImageDataset(
        name=name,
        train=splits[0],
        test=splits[1],
        classes=names,
        channels=splits[1].channels,
        image_size=size,
        mean=mean,
        std=std,
        bad=tuple(bad.found),
        default_augmentation=raw.augmentation or Augmentation(flip=raw.task != "regression"),
        notes=raw.notes if contrast else (*raw.notes, blank),
        clips=clips,
        modality=modality,
        flow=FlowEncoding(options.flow) if modality == "flow" else None,
        task=raw.task,
    )


def _probe(part: Part[FrameSource], bad: list[str]) -> list[int]:
    """Return the short sides of videos, for very many of evenly spaced ones, and drop bad ones."""
    if isinstance(part.source, ArrayFrames):
        return [min(part.source.size(0))]
    source, count = part.source, len(part.selection)

    def probe(place: int) -> int | str:
        index = int(part.selection[place])
        try:
            source.count(index)
            return min(source.size(index))
        except UnreadableError as error:
            return f"{source.describe(index)}: {error}"

    places = np.unique(np.linspace(0, count - 1, min(count, _PROBED)).astype(int)).tolist()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        results = list(threads.map(probe, places))
    bad += [reason for reason in results if isinstance(reason, str)]
    part.drop(place for place, reason in zip(places, results, strict=True) if isinstance(reason, str))
    return [side for side in results if isinstance(side, int)]


def _default_size(short_sides: list[int], most: int | None) -> int:
    """Return 112 (SDAS, section 5.2), or less if all videos are smaller, within the allowed maximum."""
    native = max(short_sides)
    size = native if native <= 64 else min(_LARGEST, max(8, native // 8 * 8))
    return min(size, most or size)


def _store(
    part: Part[FrameSource], name: str, side: int, options: DataOptions, say: Callable[[str], None]
) -> StoredFrames | None:
    """Set up flow for a part if requested; return its stored frames, if it has some."""
    storage, what = options.storage, "frames"
    if options.modality == "flow":
        part.source = FlowFrames(part.source, options.flow)
        what = f"optical flow ({options.flow})"
        # TV-L1 takes longer than a training: it is never computed twice.
        if storage == "auto" or (storage == "stream" and options.flow == "tvl1"):
            storage = "cache"
    if not len(part.selection) or storage == "stream":
        return None
    root = Path(options.cache).expanduser() if options.cache else cache_folder("frames")
    if root is None:
        if storage == "auto":
            return None
        raise AutodasError(f"{name}: no folder for stored {what} can be written: name one with data.cache")
    encoding: Encoding = "jpeg" if storage == "compressed" else "raw"
    store = FrameStore(root, name, what, side, encoding)
    if storage == "auto":
        # Frames stored byte for byte give the same results as the videos.
        return store.open(part.source, part.selection)
    return store.fill(part.source, part.selection, say)


def _in_memory(part: Part[FrameSource], clips: Clips, size: int, channels: int) -> torch.Tensor | None:
    """Return the pixels of videos in memory that are exactly one clip each."""
    if not isinstance(part.source, ArrayFrames):
        return None
    array = part.source.array
    if clips.step != 1 or array.shape[1:4] != (clips.frames, size, size):
        return None
    return torch.from_numpy(np.ascontiguousarray(Form(channels).channels_of(array[part.selection])))


def _statistics(train: Videos) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Return mean and standard deviation per channel, of the middle clips of some videos.

    The last value is the largest difference of two bytes of a channel in one of these clips.
    """
    contrast = 0 if len(train) else 255
    counts = np.zeros((train.channels, 256), dtype=np.int64)
    for i in np.unique(np.linspace(0, len(train) - 1, min(len(train), _STATISTICS_SAMPLE)).astype(int)):
        try:
            view = train.evaluation_views(int(i), [0], 1)[0]
        except UnreadableError:
            continue
        counts += histogram(np.moveaxis(view, -1, 0))
        contrast = max(contrast, int(np.ptp(view.reshape(-1, view.shape[-1]), axis=0).max()))
    return *moments(counts), contrast
