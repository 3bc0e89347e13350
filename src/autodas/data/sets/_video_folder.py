"""Video files, or folders of frames, in one folder per class."""

from __future__ import annotations

import os

from autodas.data.files._endings import VIDEO_ENDINGS
from autodas.data.files._walk import videos_below
from autodas.data.frames._sources import FrameFolders, FrameSource, VideoFiles
from autodas.data.sets._image_folder import Tree, read_tree
from autodas.data.splits._parts import RawVideos
from autodas.data_options import DataOptions
from autodas.errors import AutodasError


def read_video_folder(rest: str, options: DataOptions) -> RawVideos:
    """Read ``rest/train/CLASS/*`` and ``rest/test/CLASS/*`` (or ``val``), or ``rest/CLASS/*``.

    A video is a file, or a folder of images that are its frames.
    """
    raw = read_tree(rest, Tree("videofolder", "videos", VIDEO_ENDINGS, videos_below), frames_of, options)
    return RawVideos(**vars(raw))


def frames_of(paths: list[str]) -> FrameSource:
    """Return the source of videos: files, or folders of frames.

    Raises:
        AutodasError: if there are both files and folders.
    """
    folders = [path for path in paths if os.path.isdir(path)]
    if not folders:
        return VideoFiles(paths)
    if len(folders) < len(paths):
        file = next(path for path in paths if path not in set(folders))
        raise AutodasError(
            f"{file} is a file, {folders[0]} a folder of frames: a data set has videos of one kind"
        )
    return FrameFolders(paths)
