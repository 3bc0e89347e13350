"""From undecoded videos to a data set: bad files, sizes, storage, statistics."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from autodas.data._assemble import histogram, moments
from autodas.data._augmentation import Augmentation
from autodas.data._clips import Clips
from autodas.data._decode import UnreadableError
from autodas.data._flow_frames import FlowFrames
from autodas.data._frame_store import StoredFrames, store_frames, stored_folder
from autodas.data._frames import ArrayFrames, FrameSource
from autodas.data._images import ImageDataset
from autodas.data._parts import Bad, Part, RawDataset, check_classes, split_parts
from autodas.data._videos import Videos, clip_side
from autodas.data_options import DataOptions, Modality
from autodas.errors import AutodasError
from autodas.terminal import message

_LARGEST = 112
_PROBED = 2_000
_STATISTICS_SAMPLE = 200


class RawVideos(RawDataset[FrameSource]):
    """What one kind of video set has to provide."""


def assemble_videos(
    name: str,
    raw: RawVideos,
    options: DataOptions,
    *,
    seed: int,
    say: Callable[[str], None] = lambda line: print(message(line), file=sys.stderr),
) -> ImageDataset:
    """Read what has to be read and return the data set; arguments as of ``open_dataset``.

    ``say`` is told, in one line, what takes time and space.
    """
    clips = Clips(options.frames or 16, options.frame_step or 1)
    storage, modality = options.storage, options.modality
    train, test, names = split_parts(name, raw, Videos.what, options, seed=seed)
    bad = Bad(name, Videos.what, len(train.labels) + len(test.labels), options.max_bad)
    used = np.unique(train.labels)
    short_sides = [side for part in (train, test) for side in _probe(part, bad.found)]
    bad.check()
    if not len(train.labels) or not len(test.labels):
        raise AutodasError(f"{name}: no readable videos are left ({bad.found[0]})")
    size = options.image_size or _default_size(short_sides, options.max_image_size)
    in_arrays = isinstance(train.source, ArrayFrames)
    side = size if in_arrays else clip_side(size)
    if in_arrays and storage == "cache":
        raise AutodasError(f"{name}: its videos are in memory; data.storage cache is for files")
    if storage == "memory" and not in_arrays:
        raise AutodasError(f"{name}: decoded videos take too much memory; use data.storage cache")

    folder = Path(options.cache).expanduser() if options.cache else _default_cache()
    splits = []
    for part in (train, test):
        stored = _stored(part, side, storage, modality, folder, say)
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
                channels=part.source.channels,
                image_size=size,
                clips=clips,
                side=side,
                stored=_in_memory(part, clips, size),
                bad_allowed=bad.allowed - len(bad.found),
            )
        )
    check_classes(name, splits[0].labels, names, used, Videos.what)
    mean, std = _statistics(splits[0])
    return ImageDataset(
        name=name,
        train=splits[0],
        test=splits[1],
        classes=names,
        channels=splits[0].channels,
        image_size=size,
        mean=mean,
        std=std,
        bad=tuple(bad.found),
        default_augmentation=raw.augmentation or Augmentation(flip=True),
        notes=raw.notes,
        clips=clips,
        modality=modality,
    )


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autodas" / "frames"


def _probe(part: Part[FrameSource], bad: list[str]) -> list[int]:
    """Return the short sides of videos, of evenly spaced ones when there are very many; drop bad ones."""
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
        found = list(threads.map(probe, places))
    bad += [reason for reason in found if isinstance(reason, str)]
    part.drop(place for place, reason in zip(places, found, strict=True) if isinstance(reason, str))
    return [side for side in found if isinstance(side, int)]


def _default_size(short_sides: list[int], most: int | None) -> int:
    """Return 112 (SDAS, section 5.2), or less where all videos are smaller, or as much as is allowed."""
    native = max(short_sides)
    size = native if native <= 64 else min(_LARGEST, max(8, native // 8 * 8))
    return min(size, most or size)


def _stored(
    part: Part[FrameSource],
    side: int,
    storage: str,
    modality: Modality,
    folder: Path,
    say: Callable[[str], None],
) -> StoredFrames | None:
    """Return the decoded frames of a part if they are, or are to be, in a file."""
    source, selection = part.source, part.selection
    if modality == "flow":
        return store_frames(FlowFrames(source), selection, side, folder, "optical flow", say)
    if isinstance(source, ArrayFrames) or storage == "stream":
        return None
    if storage == "cache" or stored_folder(source, selection, side, folder, "frames").exists():
        return store_frames(source, selection, side, folder, "frames", say)
    return None


def _in_memory(part: Part[FrameSource], clips: Clips, size: int) -> torch.Tensor | None:
    """Return the pixels of videos that are in memory and exactly one clip each."""
    if not isinstance(part.source, ArrayFrames):
        return None
    array = part.source.array
    if clips.step != 1 or array.shape[1:4] != (clips.frames, size, size):
        return None
    return torch.from_numpy(np.ascontiguousarray(array[part.selection]))


def _statistics(train: Videos) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation a channel, of the clips in the middle of some videos."""
    counts = np.zeros((train.channels, 256), dtype=np.int64)
    for i in np.unique(np.linspace(0, len(train) - 1, min(len(train), _STATISTICS_SAMPLE)).astype(int)):
        try:
            view = train.evaluation_views(int(i), [0], 1)[0]
        except UnreadableError:
            continue
        counts += histogram(np.moveaxis(view, -1, 0))
    return moments(counts)
