"""One video as in evaluation: clips spread over it, or consecutive clips along it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from autodas.data.frames._clock import Clock
from autodas.data.frames._flow_frames import FlowFrames
from autodas.data.frames._sources import FrameSource
from autodas.data.pixels._decode import UnreadableError
from autodas.data.sets._video_folder import frames_of
from autodas.data.splits._clips import Clips
from autodas.data.splits._videos import Videos, clip_side
from autodas.data_options import Flow, Modality
from autodas.errors import AutodasError

_MEMORY = 64 * 2**20  # for frames that are decoded together


class Stretch(NamedTuple):
    """Part of a video, and the clip in its middle.

    Args:
        start, end: in seconds from the beginning of the video.
        views: uint8 (crops, channels, frames, S, S).
    """

    start: float
    end: float
    views: Tensor


def read_clips(
    path: str | Path,
    *,
    channels: int,
    image_size: int,
    clips: Clips,
    number: int = 20,
    crops: int = 1,
    modality: Modality = "rgb",
    flow: Flow = "tvl1",
) -> Tensor:
    """Read a video file, or a folder of frames, as in evaluation.

    Args:
        path: the file or folder.
        channels: 1 for grey values, 3 for colours, 2 for flow.
        image_size: side of the result in pixels.
        clips: how clips are taken.
        number: number of clips, spread evenly over the video.
        crops: number of crops of each clip, along the longer side; 1 for the centre.
        modality: ``"rgb"`` or ``"flow"``.
        flow: method of the flow.

    Returns:
        uint8 (number * crops, channels, frames, image_size, image_size).

    Raises:
        AutodasError: if it is missing or cannot be read.
    """
    split, _ = _video(path, channels, image_size, clips, modality, flow)
    try:
        views = split.evaluation_views(0, range(number * crops), number * crops, crops)
    except UnreadableError as error:
        raise _refusal(path, error) from error
    return _pixels(np.stack(views))


def clips_along(
    path: str | Path,
    every: float,
    *,
    channels: int,
    image_size: int,
    clips: Clips,
    crops: int = 1,
    modality: Modality = "rgb",
    flow: Flow = "tvl1",
) -> Iterator[Stretch]:
    """Yield the clip in the middle of each part of a video; only a few are read at a time.

    A dense clip longer than a part extends into its neighbours. Frames belong to the part in which they are
    shown, up to half a usual step early or late; a part without a frame is merged into the one before.

    Args:
        path: the file.
        every: seconds from the beginning of one part to the next, above 0; the last one may be shorter.
        channels, image_size, clips, crops, modality, flow: as in :func:`read_clips`.

    Raises:
        AutodasError: if it is missing, cannot be read, or has no clock.
    """
    split, frames = _video(path, channels, image_size, clips, modality, flow)
    try:
        count, clock = frames.count(0), _clock(path, frames)
        parts = _parts(count, clock, every)
        height, width = frames.size(0)
        frame = 6 * split.side**2 * max(height, width) / max(1, min(height, width))
        together = max(1, int(_MEMORY / (frame * clips.frames * crops)))
        for first in range(0, len(parts), together):
            some = parts[first : first + together]
            wanted = [clips.within(start, end - start, count, clock) for start, end in some]
            views = _pixels(split.crops_of(0, wanted, crops))
            for place, (start, end) in enumerate(some):
                own = views[place * crops : (place + 1) * crops]
                yield Stretch(clock.seconds(start), clock.seconds(end), own)
    except UnreadableError as error:
        raise _refusal(path, error) from error


def count_along(path: str | Path, every: float) -> int:
    """Return the number of parts of :func:`clips_along` in a video; only its index is read.

    Raises:
        AutodasError: if it is missing, cannot be read, or has no clock.
    """
    frames = _frames(path)
    try:
        return len(_parts(frames.count(0), _clock(path, frames), every))
    except UnreadableError as error:
        raise _refusal(path, error) from error


def _clock(path: str | Path, frames: FrameSource) -> Clock:
    clock = frames.clock(0)
    if clock is None:
        raise AutodasError(f"{path}: its frame rate is unknown, which `every` needs")
    return clock


def _parts(count: int, clock: Clock, every: float) -> list[tuple[int, int]]:
    """Return the first frame of each part, and the one after its last; parts without a frame are skipped."""
    parts = np.floor((clock.starts(count) + 0.5 / clock.rate) / every)
    return list(pairwise([0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), count]))


def _video(
    path: str | Path, channels: int, image_size: int, clips: Clips, modality: Modality, flow: Flow
) -> tuple[Videos, FrameSource]:
    """Return a split of one video, and the source of its frames."""
    frames = _frames(path)
    if modality == "flow":
        frames = FlowFrames(frames, flow)
    split = Videos(
        frames,
        np.arange(1),
        np.zeros(1, dtype=np.int64),
        clips=clips,
        side=clip_side(image_size),
        channels=channels,
        image_size=image_size,
    )
    return split, frames


def _frames(path: str | Path) -> FrameSource:
    if not os.path.exists(path):
        raise AutodasError(f"{path}: no such file or folder")
    return frames_of([str(path)])


def _pixels(views: np.ndarray) -> Tensor:
    """Return views (N, T, S, S, C) as (N, C, T, S, S)."""
    return torch.from_numpy(views).permute(0, 4, 1, 2, 3)


def _refusal(path: str | Path, error: UnreadableError) -> AutodasError:
    return AutodasError(f"{path}: cannot be read as a video ({error})")
