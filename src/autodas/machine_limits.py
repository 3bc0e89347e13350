"""What the system lets this process use: memory and processors, also in containers. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")


def memory_left() -> int | None:
    """Return the number of bytes of main memory that this process may still allocate; ``None`` if unknown.

    This is the minimum of the system's available memory, the remainders of the process's control groups (as
    in containers), and the remainder of its address space limit.
    """
    if not (_PROC / "meminfo").exists():
        return None
    return min([_line(_PROC / "meminfo", "MemAvailable"), *_memory_of_groups(), *_address_space()])


def processors() -> float:
    """Return the number of processors whose time this process may use; in containers also a fraction.

    This is the minimum of those that it may run on and the quotas of its control groups.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(allowed), *_quotas_of_groups()])


def _memory_of_groups() -> Iterator[int]:
    """Yield the memory that each control group of the process leaves, versions 2 and 1."""
    for folder, version in _groups("memory"):
        if version == 2:
            limit, usage, cached = "memory.max", "memory.current", "inactive_file"
        else:
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
            cached = "total_inactive_file"
        most = _text(folder / limit).strip()
        if most.isdigit():
            used = int(_text(folder / usage)) - _line(folder / "memory.stat", cached)
            yield max(0, int(most) - used)


def _quotas_of_groups() -> Iterator[float]:
    """Yield the processors whose time each control group of the process may use, versions 2 and 1."""
    for folder, version in _groups("cpu"):
        if version == 2:
            words = _text(folder / "cpu.max").split()
        else:
            words = [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        # "max" or -1 for no limit.
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
            yield int(words[0]) / int(words[1])


def _groups(controller: str) -> Iterator[tuple[Path, int]]:
    """Yield the folder and the version of each control group of the process, the innermost first."""
    for entry in _text(_PROC / "self/cgroup").splitlines():
        _, controllers, path = entry.split(":", 2)
        if controllers == "":
            root, version = _GROUPS, 2
        elif controller in controllers.split(","):
            root, version = _GROUPS / controller, 1
        else:
            continue
        place = root / path.lstrip("/")
        for folder in [place, *place.parents]:
            yield folder, version
            if folder == root:
                break


def _address_space() -> Iterator[int]:
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield max(0, limit - _line(_PROC / "self/status", "VmSize"))


def _line(file: Path, name: str) -> int:
    """Return the number in a line of a file, in bytes; 0 if the line is missing."""
    for line in _text(file).splitlines():
        words = line.replace(":", " ").split()
        if words[0] == name:
            return int(words[1]) * (1024 if words[-1] == "kB" else 1)
    return 0


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
