"""From lists of videos to videos that can be read."""

from __future__ import annotations

from autodas.data._assemble_videos import RawVideos
from autodas.data._frames import FrameSource
from autodas.data._parts import RawSplit
from autodas.data._video_folder import frames_of
from autodas.data._video_lists import ListedVideos, VideoSet


def raw_videos(found: VideoSet) -> RawVideos:
    """Return a set of videos, files or folders of frames, as the data loader takes it.

    Raises:
        AutodasError: if some are files and others folders.
    """
    test = None if found.test is None else _split(found.test)
    return RawVideos(_split(found.train), test, found.classes, notes=found.notes)


def _split(videos: ListedVideos) -> RawSplit[FrameSource]:
    return RawSplit(frames_of(list(videos.paths)), videos.labels)
