"""Cache folders, for files that can be regenerated. No torch."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

VARIABLE = "AUTODAS_CACHE"


def cache_folder(name: str) -> Path | None:
    """Create and return a cache folder; ``None`` if none is writable.

    The folder is below ``$AUTODAS_CACHE``, otherwise ``$XDG_CACHE_HOME/autodas``, otherwise
    ``~/.cache/autodas``. If there is no home folder, or it is not writable (containers run with any user id),
    it is in the system's folder for temporary files, provided that nobody else can write to it.

    Args:
        name: name of a part of the cache; empty for the folder of all parts.
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
        # Neither $HOME nor an entry in the user database.
        return None


def _temporary() -> Path | None:
    """Return a temporary folder that only this user can write to, since code from the cache is executed."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"autodas-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == user)
    return folder if ours and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None
