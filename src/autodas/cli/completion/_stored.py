"""The table of completions, kept on disk: a shell must not wait until all commands are imported."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from autodas.cache_folder import cache_folder

if TYPE_CHECKING:
    from autodas.cli.completion._table import Table

_PACKAGE = Path(__file__).parents[2]


def stored_table() -> Table:
    """Return the table, made anew if a file of the package has changed since it was stored."""
    folder, state = cache_folder("completion"), _state_of_package()
    # One file for each installation of autodas.
    name = f"{crc32(os.fsencode(_PACKAGE)):08x}.json"
    file = None if folder is None else folder / name
    if file is not None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(file.read_bytes())
            if stored["state"] == state:
                table: Table = stored["table"]
                return table
    from autodas.cli.completion._table import make_table
    from autodas.writing import write_whole

    table = make_table()
    if file is not None:
        with suppress(OSError):
            write_whole(file, json.dumps({"state": state, "table": table}))
    return table


def _state_of_package() -> list[int]:
    """Return the number of files of the package, their bytes, and the time of the last change."""
    count = size = newest = 0
    folders = [os.fspath(_PACKAGE)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders += [] if entry.name == "__pycache__" else [entry.path]
                else:
                    facts = entry.stat()
                    count, size, newest = count + 1, size + facts.st_size, max(newest, facts.st_mtime_ns)
    return [count, size, newest]
