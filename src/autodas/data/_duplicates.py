"""Test samples that are also training samples."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

from autodas.data.files._content import MOST, START
from autodas.data.splits._split import Split

_BYTES = 1 << 30


def duplicates(train: Split, test: Split) -> list[tuple[str, str]]:
    """Return the test samples that equal a training sample byte for byte, each with the first such sample.

    Of files only those of equal size are read: their first bytes, and the rest if these are equal. This
    covers at most 20,000 files and 1 GiB per split; beyond that the rest is not compared. For images in
    Parquet files sizes and first bytes are compared; for samples without bytes of their own the pixels, if
    they are in memory.
    """
    if train.paths is not None and test.paths is not None:
        return _equal_files(train.paths, test.paths)
    contents = train.contents, test.contents
    if any(content.digest for content in contents[0]):
        return _equal(train, test, *([c if c.digest else None for c in split] for split in contents))
    if not (train.in_memory and test.in_memory) or train.view_shape() != test.view_shape():
        return []
    return _equal(train, test, train.stored_digests(), test.stored_digests())


def _equal(
    train: Split, test: Split, known: Iterable[Hashable], wanted: Iterable[Hashable]
) -> list[tuple[str, str]]:
    """Return the test samples that are equal to a training sample; ``None`` equals nothing."""
    places: dict[Hashable, int] = {}
    for place, what in enumerate(known):
        places.setdefault(what, place)
    return [
        (test.describe(place), train.describe(places[what]))
        for place, what in enumerate(wanted)
        if what is not None and what in places
    ]


def _equal_files(train: Sequence[str], test: Sequence[str]) -> list[tuple[str, str]]:
    sizes = {size for path in test if (size := _size(path))}
    known: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    room = _Room()
    for path in train:
        size = _size(path)
        if size in sizes and (digest := room.digest(path, min(size, START))):
            known[size, digest].append(path)
    twins = []
    sizes = {size for size, _ in known}
    room, whole = _Room(), _Room()
    for path in test:
        size = _size(path)
        digest = room.digest(path, min(size, START)) if size in sizes else b""
        twin = _twin(path, size, known.get((size, digest), []), whole) if digest else None
        if twin is not None:
            twins.append((path, twin))
    return twins


def _twin(path: str, size: int, others: Sequence[str], room: _Room) -> str | None:
    """Return the first of several files, equal in size and first bytes, that is equal to a file."""
    if size <= START or not others:
        return others[0] if others else None
    digest = room.digest(path, size)
    return next((other for other in others if digest and room.digest(other, size) == digest), None)


class _Room:
    """Hashes of files within a limit on files and bytes."""

    def __init__(self) -> None:
        self._files, self._bytes = MOST, _BYTES

    def digest(self, path: str, size: int) -> bytes:
        """Return the hash of a file's first bytes; empty if it cannot be read or the limit is reached."""
        if self._files <= 0 or self._bytes < size:
            return b""
        self._files, self._bytes = self._files - 1, self._bytes - size
        try:
            with open(path, "rb") as file:
                return hashlib.blake2b(file.read(size), digest_size=16).digest()
        except OSError:
            return b""


def _size(path: str) -> int:
    """Return the size of a file; 0 for folders and missing files."""
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
