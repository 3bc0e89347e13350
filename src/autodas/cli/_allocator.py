"""A C library that wastes less memory on large tensors."""

from __future__ import annotations

import os
import sys

REPAIRED = (2, 39)
"""Since this version glibc merges what is left over around aligned blocks (its bug 30723)."""

TUNABLES = {"glibc.malloc.mxfast": "0", "glibc.malloc.tcache_count": "0"}
"""Without its two lists of small free blocks the older library merges them, too."""


def tuned(environment: dict[str, str], library: str) -> dict[str, str] | None:
    """Return the environment in which tensors lie closer together, ``None`` if nothing needs to change.

    Before version 2.39 glibc leaves small remainders around each aligned block, which torch asks for only;
    small objects settle there, and the block does not fit into its own place again. Searches took up to
    twice the memory of their tensors. The library reads these settings when a program starts.

    Args:
        environment: of the process.
        library: as ``os.confstr("CS_GNU_LIBC_VERSION")`` names it: ``"glibc 2.36"``; empty for another.
    """
    name, _, version = library.partition(" ")
    present = environment.get("GLIBC_TUNABLES", "")
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) >= REPAIRED:
        return None
    missing = [f"{key}={value}" for key, value in TUNABLES.items() if key not in present]
    if not missing:
        return None
    return {**environment, "GLIBC_TUNABLES": ":".join(filter(None, [present, *missing]))}


def restart_tuned() -> None:
    """Start this program again with such an environment, where it makes a difference; else return."""
    if not sys.platform.startswith("linux"):
        return
    environment = tuned(dict(os.environ), os.confstr("CS_GNU_LIBC_VERSION") or "")
    if environment is not None:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
