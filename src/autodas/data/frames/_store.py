"""Decoded frames in files, so that each video is decoded only once."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from autodas.data.files._store_folder import (
    ENDING,
    Lock,
    absolute_name,
    remove_leftovers,
    short_hash,
    unfinished,
    write_facts,
)
from autodas.data.frames._clock import Clock
from autodas.data.frames._flow_frames import FlowFrames
from autodas.data.frames._sources import FrameSource, resized
from autodas.data.frames._store_space import space_of
from autodas.data.frames._stored_video import (
    DamagedError,
    Encoding,
    StoredVideo,
    read_description,
    read_stored,
    write_stored,
)
from autodas.data.pixels._decode import UnreadableError
from autodas.errors import AutodasError
from autodas.progress import Progress

PIECE = 64 * 2**20
"""Memory in bytes used by each thread for decoded frames, whatever the length of the video."""

_VERSION = 5
_THREADS = 4


class StoredFrames:
    """Videos whose decoded frames are stored in files, one per video. Made by :class:`FrameStore`.

    A file that is found damaged or missing is rebuilt.

    Args:
        store: store of the files.
        source: the videos.
        selection: indices of the videos, int64 (N,); they are numbered from 0 here.
        files: name of the file of each.
        stored: content of each.
    """

    def __init__(
        self,
        store: FrameStore,
        source: FrameSource,
        selection: np.ndarray,
        files: list[str],
        stored: list[StoredVideo],
    ) -> None:
        self.encoding, self.channels = store.encoding, source.channels
        self.paths = None if source.paths is None else [source.paths[i] for i in selection.tolist()]
        self.bad = {place: video.bad for place, video in enumerate(stored) if video.bad is not None}
        self._store, self._source, self._selection, self._files = store, source, selection, files
        self._shapes = np.array([video[:3] for video in stored], dtype=np.int64).reshape(-1, 3)
        self._clocks = [video.clock for video in stored]
        self._lock = Lock(store.folder)

    def __len__(self) -> int:
        return len(self._shapes)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the stored frames."""
        _, height, width = self._shapes[index].tolist()
        return height, width

    def count(self, index: int) -> int:
        """Return the number of frames."""
        return int(self._shapes[index, 0])

    def clock(self, index: int) -> Clock | None:
        """Return the clock of the video."""
        return self._clocks[index]

    def read(self, index: int, numbers: Sequence[int], side: int) -> np.ndarray:
        """Return frames of a video; ``side`` is that of the store."""
        path = str(self._store.folder / self._files[index])
        try:
            return read_stored(path, numbers)
        except (DamagedError, OSError) as error:
            print(f"{path}: stored frames are damaged ({error}) and are rebuilt", file=sys.stderr)
        self._store.add(self._source, int(self._selection[index]), self._files[index])
        try:
            return read_stored(path, numbers)
        except (DamagedError, OSError) as error:
            raise UnreadableError(f"its stored frames cannot be read: {error}") from error

    def describe(self, index: int) -> str:
        """Return the name of the video in messages."""
        return self._source.describe(int(self._selection[index]))

    def fingerprint(self, index: int) -> str:
        """Return the fingerprint of the video."""
        return self._source.fingerprint(int(self._selection[index]))


class FrameStore:
    """Folder with the frames of one data set, of one kind and size; one file per video.

    The name of a file is derived from path, size and time of the video, so that only new or changed videos
    are decoded. Files are complete or absent; several processes may store at once.

    Args:
        root: parent folder of such folders.
        data: name of the data set.
        what: kind of the frames, for messages and the name of the folder: ``"frames"``.
        side: short side of the frames.
        encoding: encoding of the frames.
    """

    def __init__(self, root: Path, data: str, what: str, side: int, encoding: Encoding) -> None:
        self.what, self.side, self.encoding = what, side, encoding
        self.facts = {
            "version": _VERSION,
            "what": what,
            "data": absolute_name(data),
            "side": side,
            "encoding": encoding,
        }
        name = re.sub("[^a-z0-9]+", "-", what.lower()).strip("-")
        self.folder = root / f"{name}-{side}px-{encoding}-{short_hash(json.dumps(self.facts))}"

    def open(self, source: FrameSource, selection: np.ndarray) -> StoredFrames | None:
        """Return the frames of videos if all of them have been stored."""
        if not os.path.isdir(self.folder):
            return None
        files = _file_names(source, selection)
        contents, _ = self._look(files)
        stored = [contents[file] for file in files if file in contents]
        return StoredFrames(self, source, selection, files, stored) if len(stored) == len(files) else None

    def fill(self, source: FrameSource, selection: np.ndarray, say: Callable[[str], None]) -> StoredFrames:
        """Store the videos that have not been stored yet, and return all of them.

        Videos that cannot be read have no frames there, and are listed in ``bad``.

        Args:
            source: the videos.
            selection: indices of the videos, int64 (N,); the result numbers them from 0.
            say: function that reports time and space needed, in one line.

        Raises:
            AutodasError: if there is not enough space, or the folder cannot be written.
        """
        files = _file_names(source, selection)
        contents, damaged = self._look(files)
        missing = {
            file: index for file, index in zip(files, selection.tolist(), strict=True) if file not in contents
        }
        if not missing:
            return StoredFrames(self, source, selection, files, [contents[file] for file in files])
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            # Held from the beginning, so that nobody clears the folder meanwhile.
            with closing(Lock(self.folder)):
                write_facts(self.folder, self.facts)
                remove_leftovers(self.folder)
                frames = self._announce(source, missing, len(files), damaged, say)
                contents |= self._add_all(source, missing, frames)
                self._remove_outdated(files)
                return StoredFrames(self, source, selection, files, [contents[file] for file in files])

    def add(self, source: FrameSource, index: int, file: str) -> StoredVideo:
        """Store one video.

        Raises:
            AutodasError: if the folder cannot be written.
        """
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._add(source, index, file, lambda frames: None)

    def _look(self, files: list[str]) -> tuple[dict[str, StoredVideo], int]:
        """Return the contents of the existing files, and the number of damaged ones."""
        contents, damaged = {}, 0
        for file in files:
            try:
                stored = read_description(str(self.folder / file))
            except FileNotFoundError:
                continue
            except (DamagedError, OSError):
                damaged += 1
                continue
            if stored.encoding == self.encoding:
                contents[file] = stored
        return contents, damaged

    def _announce(
        self,
        source: FrameSource,
        missing: dict[str, int],
        count: int,
        damaged: int,
        say: Callable[[str], None],
    ) -> int:
        """Report what will be stored, or raise if there is not enough space; return the number of frames."""
        space = space_of(source, list(missing.values()), self.side, self.encoding, _THREADS)
        guess = "" if self.encoding == "raw" else "about "
        free = shutil.disk_usage(self.folder).free
        if space.bytes > free:
            raise AutodasError(
                f"{self.folder}: {self.what} of {len(missing)} videos take {guess}{_mib(space.bytes)}, but "
                f"only {_mib(free)} are free: choose another data.cache, data.storage compressed, a smaller "
                "data.image_size or data.storage stream"
            )
        if damaged:
            say(f"{damaged} files of stored {self.what} in {self.folder} are damaged and are rebuilt")
        some = f"{len(missing)} of {count}" if len(missing) < count else f"{count}"
        say(f"storing {self.what} of {some} videos in {self.folder}: {guess}{_mib(space.bytes)}")
        return space.frames

    def _add_all(self, source: FrameSource, missing: dict[str, int], frames: int) -> dict[str, StoredVideo]:
        stopped = threading.Event()
        # Decoders and optical flow release the interpreter lock.
        pool = ThreadPoolExecutor(storing_threads())
        with Progress(frames, what=f"storing {self.what}") as progress:

            def done(count: int) -> None:
                if stopped.is_set():
                    raise KeyboardInterrupt
                progress.advance(count)

            try:
                futures = {
                    pool.submit(self._add, source, index, file, done): file for file, index in missing.items()
                }
                return {futures[future]: future.result() for future in as_completed(futures)}
            finally:
                # After Ctrl-C or a full disk the other threads stop after their piece, and leave no files.
                stopped.set()
                pool.shutdown(cancel_futures=True)

    def _add(self, source: FrameSource, index: int, file: str, done: Callable[[int], None]) -> StoredVideo:
        target = self.folder / file
        temporary = unfinished(target)
        try:
            with open(temporary, "wb") as output:
                pieces = _pieces(source, index, self.side, done)
                stored = write_stored(output, pieces, lambda: source.clock(index), self.encoding)
            os.replace(temporary, target)
        finally:
            with suppress(OSError):
                temporary.unlink()
        return stored

    def _remove_outdated(self, files: list[str]) -> None:
        """Remove stored versions of the same videos from before they changed."""
        kept, videos = set(files), {file.partition("-")[0] for file in files}
        for path in self.folder.glob(f"*{ENDING}"):
            if path.name.partition("-")[0] in videos and path.name not in kept:
                with suppress(OSError):
                    path.unlink()


def storing_threads() -> int:
    """Return the number of videos that are stored at a time."""
    return min(_THREADS, os.cpu_count() or 1)


def _pieces(source: FrameSource, index: int, side: int, done: Callable[[int], None]) -> Iterator[np.ndarray]:
    """Yield the frames of a video in pieces that fit into the memory of a thread."""
    count = source.count(index)
    height, width = resized(*source.size(index), side)
    # Frames are decoded one by one and then stacked: twice the memory, with three colours.
    most = max(1, PIECE // (6 * height * width))
    if isinstance(source, FlowFrames):
        most = min(most, source.piece)
    for start in range(0, count, most):
        piece = source.read(index, range(start, min(count, start + most)), side)
        yield piece
        done(len(piece))


def _file_names(source: FrameSource, selection: np.ndarray) -> list[str]:
    """Return a name for each video: the first half identifies the video, the second its state."""
    files = source.paths is not None
    names = []
    for index in selection.tolist():
        video = source.describe(index)
        own = short_hash(os.path.abspath(video) if files else video)
        names.append(f"{own}-{short_hash(source.fingerprint(index))}{ENDING}")
    return names


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn errors of writing a folder into an explanation."""
    try:
        yield
    except OSError as error:
        raise AutodasError(
            f"{folder}: cannot be written: {error.strerror or error}; what has been stored is kept: free "
            "some space, choose another data.cache or data.storage stream"
        ) from error


def _mib(size: int) -> str:
    return f"{size / 2**20:,.{0 if size >= 10 * 2**20 else 1}f} MiB"
