"""Decoded frames in one memory-mapped file, so that small sets are decoded once and for all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from autodas.data._decode import UnreadableError
from autodas.data._frames import FrameSource, resized
from autodas.errors import AutodasError

_VERSION = 2


class StoredFrames:
    """Videos whose decoded frames lie in a file. Made by :func:`store_frames`.

    Args:
        folder: what :func:`store_frames` wrote.
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.channels: int = facts["channels"]
        self.paths: Sequence[str] | None = facts["paths"]
        self.bad: dict[int, str] = {int(place): reason for place, reason in facts["bad"].items()}
        self._names: list[str] = facts["names"]
        self._rates: list[float | None] = facts["rates"]
        self._shapes = np.array(facts["shapes"], dtype=np.int64).reshape(-1, 3)
        sizes = self._shapes.prod(1) * self.channels
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._map: np.ndarray | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_map": None}

    def __len__(self) -> int:
        return len(self._shapes)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the stored frames."""
        _, height, width = self._shapes[index].tolist()
        return height, width

    def count(self, index: int) -> int:
        """Return the number of frames."""
        return int(self._shapes[index, 0])

    def rate(self, index: int) -> float | None:
        """Return the frames a second of the video."""
        return self._rates[index]

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Return a copy of frames of a video; ``side`` is that of the file."""
        if self._map is None:
            self._map = np.memmap(self.folder / "frames.bin", np.uint8, "r")
        start, end = self._starts[index : index + 2]
        frames = self._map[start:end].reshape(*self._shapes[index], self.channels)
        return np.asarray(frames[list(numbers)])

    def describe(self, index: int) -> str:
        """Return what a message calls the video."""
        return self._names[index]

    def fingerprint(self, index: int) -> str:
        """Return the folder, whose name follows from those of all videos in it."""
        return f"{self.folder} {index}"


def store_frames(
    source: FrameSource,
    selection: np.ndarray,
    side: int,
    folder: Path,
    what: str,
    say: Callable[[str], None],
) -> StoredFrames:
    """Decode videos into a file, unless that has been done, and return them. The size is said beforehand.

    Videos that cannot be read have no frames there, and stand in ``bad``.

    Args:
        source: the videos.
        selection: which of them, int64 (N,); the result numbers them from 0.
        side: short side of the frames.
        folder: where such files are kept.
        what: what the frames are, for messages and the name of the file.
        say: is told, in one line, what takes time and space.

    Raises:
        AutodasError: if there is too little space.
    """
    target = stored_folder(source, selection, side, folder, what)
    if target.exists():
        return StoredFrames(target)
    size = stored_size(source, selection, side)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise AutodasError(
            f"{folder}: {what} of {len(selection)} videos take {_mib(size)}, but only {_mib(free)} are free: "
            "choose another data.cache, a smaller data.image_size or data.storage stream"
        )
    say(f"storing {what} of {len(selection)} videos in {target}: {_mib(size)}")
    with tempfile.TemporaryDirectory(prefix=f"{target.name}-unfinished-", dir=folder) as building:
        shapes, bad = _write(source, selection, side, Path(building) / "frames.bin")
        facts = {
            "channels": source.channels,
            "paths": None if source.paths is None else [source.paths[int(i)] for i in selection],
            "names": [source.describe(int(i)) for i in selection],
            "rates": [None if place in bad else source.rate(int(i)) for place, i in enumerate(selection)],
            "shapes": shapes,
            "bad": bad,
        }
        (Path(building) / "index.json").write_text(json.dumps(facts), encoding="utf-8")
        try:
            os.replace(building, target)
        except OSError:
            # Another process has stored the same meanwhile.
            if not target.exists():
                raise
        # What is left behind is an empty folder, for the context to remove.
        Path(building).mkdir(exist_ok=True)
    return StoredFrames(target)


def stored_folder(source: FrameSource, selection: np.ndarray, side: int, folder: Path, what: str) -> Path:
    """Return where the frames are stored: a name that follows from the files, their sizes and times."""
    key = hashlib.sha256(f"{_VERSION} {what} {side}".encode())
    for index in selection.tolist():
        key.update(source.fingerprint(index).encode() + b"\n")
    return folder / f"{what.replace(' ', '-')}-{key.hexdigest()[:16]}"


def stored_size(source: FrameSource, selection: np.ndarray, side: int) -> int:
    """Return how many bytes the frames of videos take."""
    total = 0
    for index in selection.tolist():
        try:
            height, width = resized(*source.size(index), side)
            total += source.count(index) * height * width * source.channels
        except UnreadableError:
            continue
    return total


def _write(
    source: FrameSource, selection: np.ndarray, side: int, path: Path
) -> tuple[list[tuple[int, int, int]], dict[int, str]]:
    shapes: list[tuple[int, int, int]] = []
    bad: dict[int, str] = {}
    with open(path, "wb") as file:
        for place, frames in enumerate(_read_all(source, selection, side)):
            if isinstance(frames, str):
                bad[place] = frames
                shapes.append((0, 0, 0))
            else:
                frames.tofile(file)
                shapes.append(frames.shape[:3])
    return shapes, bad


def _read_all(source: FrameSource, selection: np.ndarray, side: int) -> Iterator[np.ndarray | str]:
    """Yield the frames of each video, or the reason why there are none."""

    def read(index: int) -> np.ndarray | str:
        try:
            return source.read(index, range(source.count(index)), side)
        except UnreadableError as error:
            return str(error)

    # Decoders and optical flow release the interpreter lock. A few videos at a time, since all of one
    # are in memory.
    threads = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(selection), 4 * threads):
            yield from pool.map(read, selection[start : start + 4 * threads].tolist())


def _mib(size: int) -> str:
    return f"{size / 2**20:,.{0 if size >= 10 * 2**20 else 1}f} MiB"
