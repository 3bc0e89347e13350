"""The machine: Python, processors, memory, shared memory, disks, caches. Imports nothing but Python's own."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from autodas._version import __version__
from autodas.cache_folder import VARIABLE, cache_folder
from autodas.installation._finding import Finding
from autodas.machine_limits import memory_left, processors

GIB = 2**30
_SHARED = Path("/dev/shm")


def program() -> Iterator[Finding]:
    """Report the versions of autodas and Python, and the system."""
    python = f"Python {platform.python_version()} ({sys.executable})"
    yield Finding("autodas", "ok", f"{__version__}, {python}, {platform.platform()}")


def computing_limits() -> Iterator[Finding]:
    """Report processors and memory, also where a container limits them."""
    there, usable = os.cpu_count() or 1, processors()
    found = f"{usable:g} of {there} can be used"
    if usable < there:
        threads = max(1, int(usable))
        cost = "more threads than these wait for each other"
        yield Finding("processors", "limited", found, cost, f"--compute.threads {threads}")
    else:
        yield Finding("processors", "ok", found)
    left = memory_left()
    if left is None:
        yield Finding("memory", "ok", "the system does not say how much is left")
    elif left < GIB:
        cost = "large searches refuse to start, or are ended by the system"
        yield Finding("memory", "limited", f"{_size(left)} left", cost, "end other programs")
    else:
        yield Finding("memory", "ok", f"{_size(left)} left")


def shared_memory() -> Iterator[Finding]:
    """Report the shared memory, which containers limit to 64 MiB by default."""
    cost = "runs on several GPUs and in a Ray cluster may fail; others do not use it"
    if not _SHARED.is_dir():
        if sys.platform == "linux":
            yield Finding("shared memory", "limited", f"there is no {_SHARED}", cost)
        return
    size = shutil.disk_usage(_SHARED).total
    found = f"{_size(size)} in {_SHARED}"
    if size < GIB:
        yield Finding("shared memory", "limited", found, cost, "docker run --shm-size=1g")
    else:
        yield Finding("shared memory", "ok", found)


def folders() -> Iterator[Finding]:
    """Report the current folder, where runs are written."""
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    found = f"{here}, {_size(free)} free"
    if not os.access(here, os.W_OK | os.X_OK):
        yield Finding(
            "this folder", "limited", f"{found}, not writable", "no runs below it", "--run elsewhere"
        )
    else:
        yield _enough("this folder", found, free, "checkpoints may not fit")


def caches() -> Iterator[Finding]:
    """Report the folder of what can be made again: its place, its size, and the space left."""
    folder = cache_folder("")
    if folder is None:
        cost = "kernels cannot be compiled, and frames are decoded again for every run"
        remedy = f"set {VARIABLE} to a writable folder"
        yield Finding("cache", "limited", "no folder is writable", cost, remedy)
        return
    parts = {part.name: _bytes_below(part) for part in sorted(folder.iterdir()) if part.is_dir()}
    sizes = "".join(f", {name} {_size(size)}" for name, size in parts.items())
    free = shutil.disk_usage(folder).free
    yield _enough("cache", f"{folder}{sizes}, {_size(free)} free", free, "decoded frames may not fit")


def _enough(part: str, found: str, free: int, cost: str) -> Finding:
    if free < GIB:
        return Finding(part, "limited", found, cost, "free some space")
    return Finding(part, "ok", found)


def _bytes_below(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue  # deleted meanwhile
    return total


def _size(number: int) -> str:
    return f"{number / GIB:,.1f} GiB" if number >= GIB else f"{number / 2**20:,.0f} MiB"
