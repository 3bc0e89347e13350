"""Sources of videos' frames: an array, video files, folders of images."""

from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from autodas.data.files._endings import image_endings
from autodas.data.files._walk import readable_names
from autodas.data.frames._clock import Clock
from autodas.data.frames._decode import read_frames
from autodas.data.frames._index import FrameIndex, read_index
from autodas.data.frames._index_store import kept_index
from autodas.data.pixels._decode import UnreadableError, open_image
from autodas.data.pixels._form import Form
from autodas.data.pixels._views import pixels_of
from autodas.errors import AutodasError

_KEPT = 20_000


class FrameSource(Protocol):
    """Videos by index, as frames whose short side has been resized. It is pickled to worker processes."""

    @property
    def paths(self) -> Sequence[str] | None:
        """The files (or folders), one per video, if they are files."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels of a frame."""
        ...

    def __len__(self) -> int: ...

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a video as stored; raises UnreadableError."""
        ...

    def count(self, index: int) -> int:
        """Return the number of frames, at least 1; raises UnreadableError."""
        ...

    def clock(self, index: int) -> Clock | None:
        """Return the clock of a video; ``None`` if unknown; raises UnreadableError."""
        ...

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Return frames, uint8 (len(numbers), H, W, C), whose short side is ``side``.

        Raises:
            UnreadableError: if they cannot be read.
        """
        ...

    def describe(self, index: int) -> str:
        """Return the name of the video in messages."""
        ...

    def fingerprint(self, index: int) -> str:
        """Return a string that changes with the frames, used to identify stored derived data."""
        ...


def resized(height: int, width: int, side: int) -> tuple[int, int]:
    """Return height and width scaled to the given short side."""
    short = min(height, width)
    return max(side, round(height * side / short)), max(side, round(width * side / short))


class ArrayFrames:
    """Videos of one length and size in an array.

    Args:
        array: uint8 (N, F, H, W, C).
    """

    paths: Sequence[str] | None = None

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.channels = array.shape[-1]

    def __len__(self) -> int:
        return len(self.array)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width."""
        _, _, height, width, _ = self.array.shape
        return height, width

    def count(self, index: int) -> int:
        """Return the number of frames."""
        return int(self.array.shape[1])

    def clock(self, index: int) -> Clock | None:
        """Return ``None``: an array has no clock."""
        return None

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Return frames of a video."""
        frames = self.array[index, list(numbers)]
        if min(frames.shape[1:3]) == side:
            return frames
        return np.stack([resized_frame(frame, side) for frame in frames])

    def describe(self, index: int) -> str:
        """Return the name of the video in messages."""
        return f"video {index}"

    def fingerprint(self, index: int) -> str:
        """Return a hash of the pixels."""
        return hashlib.sha256(np.ascontiguousarray(self.array[index]).tobytes()).hexdigest()


class _Paths:
    """Videos that are files or folders of their own.

    Args:
        paths: one path per video.
    """

    channels = 3

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths: Sequence[str] | None = paths
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def describe(self, index: int) -> str:
        """Return the path."""
        return self._paths[index]

    def fingerprint(self, index: int) -> str:
        """Return path, size and modification time."""
        return _fingerprint(self._paths[index])


class VideoFiles(_Paths):
    """Video files.

    Args:
        paths: one path per video.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(paths)
        self._indices: OrderedDict[int, FrameIndex] = OrderedDict()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_indices": OrderedDict()}

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a frame."""
        frame_index = self._index(index)
        return frame_index.height, frame_index.width

    def count(self, index: int) -> int:
        """Return the number of frames."""
        return self._index(index).frames

    def clock(self, index: int) -> Clock | None:
        """Return the display times of frames."""
        return self._index(index).clock

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Decode frames of a video."""
        frame_index = self._index(index)
        return read_frames(
            self._paths[index], frame_index, numbers, resized(frame_index.height, frame_index.width, side)
        )

    def _index(self, index: int) -> FrameIndex:
        """Return the index of a video; recent ones are cached."""
        if index not in self._indices:
            self._indices[index] = kept_index(self._paths[index], read_index)
            if len(self._indices) > _KEPT:
                self._indices.popitem(last=False)
        return self._indices[index]


class FrameFolders(_Paths):
    """Folders of images, one per video; its frames are the images in the order of their names.

    Numbers in names are compared as numbers: ``2.png`` comes before ``10.png``.

    Args:
        paths: one path per video.
    """

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the first frame."""
        with open_image(self._files(index)[0]) as picture:
            return picture.header.height, picture.header.width

    def count(self, index: int) -> int:
        """Return the number of images."""
        return len(self._files(index))

    def clock(self, index: int) -> Clock | None:
        """Return ``None``: images have no clock."""
        return None

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Read frames of a video."""
        files = self._files(index)
        frames: dict[int, np.ndarray] = {}
        for number in set(numbers):
            frames[number] = resized_frame(pixels_of(open_image(files[number]).decode(Form(3)).pixels), side)
            if frames[number].shape != next(iter(frames.values())).shape:
                raise UnreadableError(f"{os.path.basename(files[number])} has another size than other frames")
        return np.stack([frames[number] for number in numbers])

    def fingerprint(self, index: int) -> str:
        """Return paths, sizes and modification times of the images; the folder's own may stay the same."""
        try:
            return "\n".join(map(_fingerprint, self._files(index)))
        except UnreadableError:
            return super().fingerprint(index)

    def _files(self, index: int) -> list[str]:
        folder = self._paths[index]
        try:
            names = [n for n in readable_names(folder) if n.lower().endswith(image_endings()) and n[0] != "."]
        except AutodasError as error:
            raise UnreadableError(getattr(error.__cause__, "strerror", None) or str(error)) from error
        if not names:
            raise UnreadableError("the folder contains no images")
        return [os.path.join(folder, name) for name in sorted(names, key=_numbered)]


def _numbered(name: str) -> list[tuple[int, str]]:
    """Return a sort key for names: text by letters, numbers by value."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)] + [(-1, name)]


def _fingerprint(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return path
    return f"{os.path.abspath(path)} {status.st_size} {status.st_mtime_ns}"


def resized_frame(frame: np.ndarray, side: int) -> np.ndarray:
    """Return a frame, uint8 (H, W, 1 or 3), scaled to the given short side."""
    import PIL.Image

    height, width = resized(frame.shape[0], frame.shape[1], side)
    if (height, width) == frame.shape[:2]:
        return frame
    image = PIL.Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
    return pixels_of(image.resize((width, height), PIL.Image.Resampling.BILINEAR))
