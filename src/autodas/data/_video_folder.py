"""Video files, or folders of frames, in one folder a class."""

from __future__ import annotations

from pathlib import Path

from autodas.data._assemble_videos import RawVideos
from autodas.data._decode import IMAGE_ENDINGS
from autodas.data._folder import Tree, files_below, read_tree
from autodas.data._frames import FrameFolders, FrameSource, VideoFiles
from autodas.errors import AutodasError

VIDEO_ENDINGS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".ts", ".3gp", ".ogv"),
)
"""Endings of the files that are taken for videos, in lower or upper case."""


def read_video_folder(rest: str) -> RawVideos:
    """Read ``rest/train/CLASS/*`` and ``rest/test/CLASS/*`` (or ``val``), or ``rest/CLASS/*``.

    A video is a file, or a folder of images that are its frames.
    """
    found = read_tree(rest, Tree("videofolder", "videos", VIDEO_ENDINGS, videos_below), frames_of)
    return RawVideos(found.train, found.test, found.classes, notes=found.notes)


def frames_of(paths: list[str]) -> FrameSource:
    """Return what reads videos: files, or folders of frames.

    Raises:
        AutodasError: if there are some of both.
    """
    folders = [path for path in paths if Path(path).is_dir()]
    if not folders:
        return VideoFiles(paths)
    if len(folders) < len(paths):
        file = next(path for path in paths if path not in set(folders))
        raise AutodasError(
            f"{file} is a file, {folders[0]} a folder of frames: a data set has videos of one kind"
        )
    return FrameFolders(paths)


def videos_below(folder: Path) -> list[str]:
    """Return the videos in a folder and in those in it: files, or where there are none folders of frames."""
    files = files_below(folder, VIDEO_ENDINGS)
    return sorted(files or {str(Path(frame).parent) for frame in files_below(folder, IMAGE_ENDINGS)})
