"""Estimate of the time for storing frames or optical flow, from a few of them."""

from __future__ import annotations

import time

import numpy as np

from autodas.data.frames._flow_frames import FlowFrames
from autodas.data.frames._store import storing_threads
from autodas.data.pixels._decode import UnreadableError
from autodas.data.splits._split import Split
from autodas.data.splits._videos import Videos
from autodas.data_options import DataOptions

VIDEOS = 3
FRAMES = 4
"""Number of frames, of this number of videos, that are computed."""


def seconds_to_store(videos: Split, options: DataOptions) -> float:
    """Estimate the seconds for storing the frames, or the flow, of a split; nothing is stored.

    Args:
        videos: the split, without stored frames.
        options: options of the data to be stored.
    """
    assert isinstance(videos, Videos), "only videos are stored"
    source = FlowFrames(videos._source, options.flow) if options.modality == "flow" else videos._source
    chosen = videos._selection[np.unique(np.linspace(0, len(videos) - 1, VIDEOS).astype(int))]
    seconds, count = 0.0, 0
    for index in chosen.tolist():
        start = time.perf_counter()
        try:
            count += len(source.read(index, range(min(FRAMES, source.count(index))), videos.side))
        except UnreadableError:
            continue
        seconds += time.perf_counter() - start
    return seconds / count * videos.facts()["frames"] / storing_threads() if count else 0.0
