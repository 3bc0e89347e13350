"""What samples are to the byte: their sizes, and hashes of their beginnings."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

START = 1 << 16
"""Bytes that count as the beginning."""
MOST = 20_000
"""Of splits of more samples the beginnings are not read."""


class Content(NamedTuple):
    """What tells one sample from another, whatever they are called.

    Args:
        size: in bytes; of a folder of frames the number of files; 0 where nothing tells.
        digest: hash of the beginning, empty where there is none.
    """

    size: int = 0
    digest: str = ""


def content_of_bytes(encoded: bytes) -> Content:
    """Return the content of an image that is no file of its own; it is that of the same bytes in a file."""
    return Content(len(encoded), _hash(encoded[:START]))


def content_of_file(path: str, *, beginning: bool = True) -> Content:
    """Return the content of a file, or of a folder of frames; the size -1 where it cannot be read.

    Args:
        path: the file or folder.
        beginning: whether its beginning is read.
    """
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            return Content(len(os.listdir(path)))
        if not stat.S_ISREG(found.st_mode):
            return Content()
        if not beginning:
            return Content(found.st_size)
        with open(path, "rb") as file:
            return Content(found.st_size, _hash(file.read(START)))
    except OSError:
        return Content(-1)


def _hash(beginning: bytes) -> str:
    return hashlib.blake2b(beginning, digest_size=8).hexdigest()
