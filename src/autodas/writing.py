"""Files that are complete or absent."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from autodas.errors import AutodasError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name, flush it to the disk, then put it in place.

    Raises:
        AutodasError: if it cannot be written, for instance because the disk is full. What stood there
            before still does.
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
        kept = "; the file that stood there before is kept" if os.path.exists(path) else ""
        raise AutodasError(f"{path}: cannot be written: {error.strerror or error}{kept}") from error
