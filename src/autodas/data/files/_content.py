"""Contents of samples: their sizes, and hashes of their first bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

START = 1 << 16
"""Number of bytes that are hashed."""
MOST = 20_000
"""Splits of more samples are not hashed."""


class Content(NamedTuple):
    """Content of a sample, which identifies it independently of its name.

    Args:
        size: in bytes; for a folder of frames the number of files; 0 if unknown.
        digest: hash of the first bytes; empty if unknown.
    """

    size: int = 0
    digest: str = ""


def content_of_bytes(encoded: bytes) -> Content:
    """Return the content of an encoded image; the same as that of a file with these bytes."""
    return Content(len(encoded), _hash(encoded[:START]))


def content_of_file(path: str, *, beginning: bool = True) -> Content:
    """Return the content of a file, or of a folder of frames; the size is -1 if it cannot be read.

    Args:
        path: the file or folder.
        beginning: whether to hash its first bytes.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return Content(len(os.listdir(path)))
        if not stat.S_ISREG(status.st_mode):
            return Content()
        if not beginning:
            return Content(status.st_size)
        with open(path, "rb") as file:
            return Content(status.st_size, _hash(file.read(START)))
    except OSError:
        return Content(-1)


def digest_of_file(path: str) -> str:
    """Return the hash of a whole file; its path if it is no file, or cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return path


def _hash(beginning: bytes) -> str:
    return hashlib.blake2b(beginning, digest_size=8).hexdigest()
