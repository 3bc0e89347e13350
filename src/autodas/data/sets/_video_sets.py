"""Sets of videos: from lists of their paths to readable videos."""

from __future__ import annotations

from autodas.data.frames._sources import FrameSource
from autodas.data.sets._lists import Listed, ListedSet
from autodas.data.sets._video_folder import frames_of
from autodas.data.splits._parts import RawSplit, RawVideos


def raw_videos(listed: ListedSet) -> RawVideos:
    """Return a set of videos, files or folders of frames, in the form expected by the data loader.

    Raises:
        AutodasError: if some are files and others folders.
    """
    return RawVideos(
        _split(listed.train),
        _split(listed.test),
        listed.classes,
        notes=listed.notes,
        refusal=listed.refusal,
        task=listed.task,
    )


def _split(listed: Listed | None) -> RawSplit[FrameSource] | None:
    if listed is None:
        return None
    return RawSplit(frames_of(list(listed.paths)), listed.labels, listed.keys, listed.columns)
