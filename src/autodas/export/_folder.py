"""Folders of other libraries, each written whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from autodas.errors import AutodasError
from autodas.runs.folder import MODEL

CONFIGURATION = "config.json"
"""Description of the network in the folder; with the model file it is what makes a folder an export."""


@contextmanager
def new_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder that becomes the given one in the end; nothing is left of a failure.

    Args:
        path: the folder.
        overwrite: whether it may replace an earlier export.

    Raises:
        AutodasError: if the folder is not available, or cannot be written.
    """
    _check_available(path, overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as beside:
            folder, earlier = Path(beside, "new"), Path(beside, "earlier")
            folder.mkdir()
            yield folder
            if path.exists():
                path.rename(earlier)
            try:
                folder.rename(path)
            except OSError:
                if earlier.exists():
                    earlier.rename(path)
                raise
    except OSError as error:
        raise AutodasError(f"{path}: cannot be written: {error.strerror or error}") from error


def _check_available(path: Path, overwrite: bool) -> None:
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path) or path.is_symlink():
        raise AutodasError(f"{path}: exists and is not a folder; choose another place")
    inside = {entry.name for entry in os.scandir(path)}
    if inside and not {CONFIGURATION, MODEL} <= inside:
        raise AutodasError(f"{path}: not empty, and not an export; choose another folder")
    if inside and not overwrite:
        raise AutodasError(f"{path}: already holds an export; replace it with `overwrite`")
