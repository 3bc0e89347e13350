"""Available memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")


def available_memory(device: torch.device) -> int | None:
    """Return the number of bytes that a process may still allocate on a device; ``None`` if unknown.

    On a CPU this is the minimum of the system's available memory, the remainders of the process's control
    groups (as in containers), and the remainder of its address space limit.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu" or not (_PROC / "meminfo").exists():
        return None
    return min([_line(_PROC / "meminfo", "MemAvailable"), *_groups(_PROC, _GROUPS), *_address_space()])


def _groups(proc: Path, groups: Path) -> Iterator[int]:
    """Yield the memory that each control group of the process leaves, versions 2 and 1."""
    for entry in _text(proc / "self/cgroup").splitlines():
        _, controllers, path = entry.split(":", 2)
        if controllers == "":
            root, limit, usage, cached = groups, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, limit, usage = groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cached = "total_inactive_file"
        else:
            continue
        place = root / path.lstrip("/")
        for folder in [place, *place.parents]:
            most = _text(folder / limit).strip()
            if most.isdigit():
                used = int(_text(folder / usage)) - _line(folder / "memory.stat", cached)
                yield max(0, int(most) - used)
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
