"""Atomic writing of files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from autodas.errors import AutodasError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file atomically: under a temporary name, flushed to disk, then renamed.

    Raises:
        AutodasError: if the file cannot be written, for instance because the disk is full. An existing file
            is kept.
    """
    temporary = path.with_name(path.name + ".tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        kept = "; the existing file is kept" if os.path.exists(path) else ""
        raise AutodasError(f"{path}: cannot be written: {error.strerror or error}{kept}") from error
