"""Sets of videos, from the lists that name them to videos that can be read."""

from __future__ import annotations

from autodas.data.frames._sources import FrameSource
from autodas.data.sets._lists import Listed, ListedSet
from autodas.data.sets._video_folder import frames_of
from autodas.data.splits._parts import RawSplit, RawVideos


def raw_videos(found: ListedSet) -> RawVideos:
    """Return a set of videos, files or folders of frames, as the data loader takes it.

    Raises:
        AutodasError: if some are files and others folders.
    """
    return RawVideos(
        _split(found.train), _split(found.test), found.classes, notes=found.notes, refusal=found.refusal
    )


def _split(listed: Listed | None) -> RawSplit[FrameSource] | None:
    if listed is None:
        return None
    return RawSplit(frames_of(list(listed.paths)), listed.labels, listed.keys, listed.columns)
