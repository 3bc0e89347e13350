"""Stored frames and images: list them, delete them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autodas.cache_folder import cache_folder
from autodas.cli._durations import seconds_of
from autodas.cli._output import print_facts
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from autodas.data import StoreFolder


@dataclass(frozen=True)
class CacheConfig:
    """List or clear stored frames, optical flow and decoded images.

    Args:
        action: list the stored data, or clear all of them that are not in use.
        folder: folder of the stored data, as for --data.cache; by default ~/.cache/autodas/frames.
        older: only data that have not been used for this long, such as 30d.
        yes: delete; without it, clear only lists what it would delete.
        json: print JSON.
    """

    action: Literal["list", "clear"] = field(metadata={"positional": True})
    folder: str | None = None
    older: str | None = None
    yes: bool = False
    json: bool = False

    def __post_init__(self) -> None:
        if self.older is not None:
            seconds_of("older", self.older)
        if self.yes and self.action == "list":
            raise AutodasError("yes is only for 'autodas data cache clear': list deletes nothing")


def run_cache(config: CacheConfig) -> int:
    """List stored frames, optical flow and decoded images, or clear them."""
    from autodas.data import remove_store, store_folders

    root = Path(config.folder).expanduser() if config.folder else cache_folder("frames")
    if root is None:
        raise AutodasError("no cache folder is available: name one with --folder")
    age = seconds_of("older", config.older) if config.older is not None else 0.0
    now = time.time()
    chosen = [store for store in store_folders(root) if now - store.used >= age]
    if config.action == "list" or not config.yes:
        rows = [_row(store, now) for store in chosen]
        _print(rows, root, config.json)
        if config.action == "clear" and rows and not config.json:
            print("nothing deleted: add --yes to delete")
        return 0
    kept, rows = 0, []
    for store in chosen:
        reason = remove_store(store)
        kept += reason is not None
        rows.append({**_row(store, now), "deleted": reason or "yes"})
    _print(rows, root, config.json)
    return 2 if kept else 0


def _row(store: StoreFolder, now: float) -> dict[str, Any]:
    return {
        "what": store.what,
        "data": store.data,
        "files": store.files,
        "MiB": round(store.bytes / 2**20, 1),
        "unused_days": round(max(0.0, now - store.used) / 86_400, 1),
        "in_use": store.in_use,
        "folder": str(store.path),
    }


def _print(rows: list[dict[str, Any]], root: Path, as_json: bool) -> None:
    if rows or as_json:
        print_facts(rows, as_json)
    else:
        print(f"nothing is stored in {root}")
