"""Where this program keeps what it can make again. No torch."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

VARIABLE = "AUTODAS_CACHE"


def cache_folder(name: str) -> Path | None:
    """Return a folder for files that can be made again, making it; ``None`` where none can be written.

    It is below ``$AUTODAS_CACHE``, otherwise ``$XDG_CACHE_HOME/autodas``, otherwise ``~/.cache/autodas``.
    Where there is no home, or it cannot be written (containers run with any user id), it is in the system's
    folder for temporary files, if it can be one that nobody else can write to.

    Args:
        name: of the part of the cache; empty for the folder of all parts.
    """
    for parent in (_own(), _temporary()):
        if parent is None:
            continue
        folder = parent / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _own() -> Path | None:
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "autodas"
    try:
        return Path.home() / ".cache" / "autodas"
    except RuntimeError:
        # Neither $HOME nor an entry in the table of users.
        return None


def _temporary() -> Path | None:
    """Return a folder that only this user can write to: what is in the cache is executed."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"autodas-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == user)
    return folder if ours and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None
