"""Indices of video files, stored on disk: a file is scanned once, not in every process of every run."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from autodas.cache_folder import cache_folder
from autodas.data.frames._clock import Clock
from autodas.data.frames._index import FrameIndex, Key
from autodas.data.frames._pixels import Orientation
from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, TRUTH, Fields, Items, Number, Optional, Whole, parse_json

# Part of every name: changes whenever an index would come out differently.
_VERSION = 3
_PAGE_BYTES, _MOST_BYTES = 4096, 512 * MEBIBYTE
_MOST_UNPACKED = 256 * MEBIBYTE  # a million frames take twenty
_SHAPE = Fields(
    {
        "size": Items(Whole(), 3, 3),
        "orientation": Items(TRUTH, len(Orientation._fields), len(Orientation._fields)),
        "rate": Optional(Number(0, above=True)),
        "packets": Whole(),
        "times": Whole(),
    }
)
_TABLE = "CREATE TABLE IF NOT EXISTS indices (number INTEGER PRIMARY KEY, name BLOB UNIQUE, content BLOB)"


def kept_index(path: str, read: Callable[[str], FrameIndex]) -> FrameIndex:
    """Return the index of a video file, from disk if the same file has been read before.

    The indices are stored in one database in the user's cache, of at most 512 MB; it can be deleted safely. A
    damaged one is rebuilt; if it cannot be created, indices are not stored.

    Args:
        path: the file.
        read: function that makes the index.

    Raises:
        UnreadableError: from ``read``.
    """
    folder = cache_folder("videos")
    name = _name(path)
    if folder is None or name is None:
        return read(path)
    place = folder / "indices.sqlite"
    index = _find(place, name)
    if index is None:
        index = read(path)
        _keep(place, name, _packed(index))
    return index


def _name(path: str) -> bytes | None:
    """Return a name that changes with the file and its decoder."""
    try:
        from av import library_versions

        status = os.stat(path)
    except (ImportError, OSError):
        return None
    decoder = ".".join(map(str, library_versions["libavcodec"]))
    facts = f"\0{status.st_size} {status.st_mtime_ns} {_VERSION} {decoder}"
    return os.fsencode(os.path.abspath(path)) + facts.encode()


def _find(place: Path, name: bytes) -> FrameIndex | None:
    try:
        with _database(place) as database:
            row = database.execute("SELECT content FROM indices WHERE name = ?", (name,)).fetchone()
        return _unpacked(row[0]) if row else None
    except (sqlite3.Error, OSError, ValueError, TypeError, zlib.error, AutodasError):
        return None


def _keep(place: Path, name: bytes, content: bytes) -> None:
    for _ in range(2):
        try:
            with _database(place) as database:
                database.execute("REPLACE INTO indices (name, content) VALUES (?, ?)", (name, content))
            return
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                return
            _drop_older_half(place)
        except sqlite3.DatabaseError:
            # Not a database, or a damaged one.
            for remains in (place, place.with_name(f"{place.name}-journal")):
                with contextlib.suppress(OSError):
                    remains.unlink()
        except OSError:
            return


def _drop_older_half(place: Path) -> None:
    with contextlib.suppress(sqlite3.Error, OSError), _database(place) as database:
        database.execute("DELETE FROM indices WHERE number <= (SELECT AVG(number) FROM indices)")


@contextlib.contextmanager
def _database(place: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for one statement: connections do not survive a fork."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(place, timeout=1)) as database:
        # A cache may lose its last writes on a power failure, if that is detected; see _unpacked.
        database.execute("PRAGMA synchronous = OFF")
        database.execute(f"PRAGMA max_page_count = {_MOST_BYTES // _PAGE_BYTES}")
        database.execute(_TABLE)
        with database:
            yield database


def _packed(index: FrameIndex) -> bytes:
    rate, times = index.clock or (None, None)
    times = np.zeros(0, dtype=np.int64) if times is None else times
    facts = {
        "size": [index.frames, index.height, index.width],
        "orientation": list(map(bool, index.orientation)),
        "rate": rate,
        "packets": len(index.order),
        "times": len(times),
    }
    # Frames are nearly in the order of packets: the differences of a thousand take fifty bytes.
    order = index.order - np.arange(len(index.order))
    numbers = np.concatenate([order, np.diff(times, prepend=0), index.keys.T.ravel()])
    return zlib.compress(json.dumps(facts).encode() + b"\n" + numbers.astype("<i8").tobytes())


def _unpacked(content: bytes) -> FrameIndex:
    """Return an index from its packed form; raises ValueError, AutodasError and the like if it is damaged."""
    unpacking = zlib.decompressobj()
    head, _, rest = unpacking.decompress(content, _MOST_UNPACKED).partition(b"\n")
    if not unpacking.eof:
        raise ValueError("truncated, or larger than any index")
    facts = parse_json(head, "index")
    _SHAPE.check(facts, "index")
    numbers = np.frombuffer(rest, dtype="<i8").astype(np.int64)
    order, times, keys = np.split(numbers, np.cumsum([facts["packets"], facts["times"]]))
    order += np.arange(len(order))
    frames, height, width = facts["size"]
    if len(times) not in (0, frames):
        raise ValueError("the number of times is not that of frames")
    clock = None if facts["rate"] is None else Clock(facts["rate"], np.cumsum(times) if len(times) else None)
    return FrameIndex(
        frames,
        height,
        width,
        Orientation(*facts["orientation"]),
        order,
        keys.reshape(len(Key._fields), -1).T,
        clock,
    )
