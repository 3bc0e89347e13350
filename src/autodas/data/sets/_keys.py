"""Names of samples, independent of other files: splits are derived from them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path


def keys_below(root: str | Path, paths: Sequence[str]) -> list[str]:
    """Return the paths relative to a folder, equal on every system; paths outside of it are unchanged."""
    start = os.path.join(os.path.abspath(root), "")
    return [_key(os.path.abspath(path), start) for path in paths]


def _key(path: str, start: str) -> str:
    inner = path[len(start) :] if path.startswith(start) else path
    # Some systems store accented letters as two characters.
    return unicodedata.normalize("NFC", inner.replace(os.sep, "/"))
