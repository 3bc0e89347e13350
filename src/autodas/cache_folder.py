"""Where files are kept that can be made anew: compiled kernels, decoded frames."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder(name: str) -> Path | None:
    """Return the folder for files of one kind; it need not exist yet.

    It lies in ``$AUTODAS_CACHE``, else in ``$XDG_CACHE_HOME/autodas``, else in ``~/.cache/autodas``. Users
    without a home, as in containers that run with any user id, get a folder of their own among the temporary
    files.

    Args:
        name: of the folder, such as ``frames``; empty for the folder of all kinds.

    Returns:
        ``None`` where there is no home, and the folder among the temporary files cannot be made or belongs to
        somebody else.
    """
    root = _root()
    return None if root is None else root / name


def _root() -> Path | None:
    if own := os.environ.get("AUTODAS_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "autodas"
    try:
        return Path.home() / ".cache" / "autodas"
    except RuntimeError:  # neither HOME nor an entry in the table of users
        return _temporary()


def _temporary() -> Path | None:
    """Return a folder that nobody else can write to."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"autodas-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    safe = not folder.is_symlink() and found.st_uid == user and not found.st_mode & 0o022
    return folder if safe or not hasattr(os, "getuid") else None
