"""Settings of the C library's allocator for large tensors: faster, and with less waste."""

from __future__ import annotations

import os
import sys

REPAIRED = (2, 39)
"""First version of glibc that merges the remainders around aligned blocks (its bug 30723)."""

KEPT = {
    "glibc.malloc.trim_threshold": str(2**40),
    "glibc.malloc.mmap_threshold": str(2**25),  # the largest that there is
    "glibc.malloc.hugetlb": "1",
}
"""Settings with which memory that was freed stays with the process, in pages as large as the system has."""

MERGED = {"glibc.malloc.mxfast": "0", "glibc.malloc.tcache_count": "0"}
"""Settings without the two lists of small free blocks, with which older versions merge them, too."""


def tuned(environment: dict[str, str], library: str) -> dict[str, str] | None:
    """Return an environment for large tensors, ``None`` if nothing needs to change.

    By default glibc returns the memory of large tensors to the system as soon as they are freed, and the
    system clears every page of it before the next iteration gets it again: that took up to half of the
    time of an iteration. Before version 2.39 glibc also leaves small remainders around each aligned block,
    the only kind that torch requests. Small objects are allocated there, and once the block is freed it does
    not fit into its old place. Searches took up to twice the memory of their tensors. glibc reads these
    settings at program start.

    Args:
        environment: environment variables of the process.
        library: C library as in ``os.confstr("CS_GNU_LIBC_VERSION")``: ``"glibc 2.36"``; empty for others.
    """
    name, _, version = library.partition(" ")
    present = environment.get("GLIBC_TUNABLES", "")
    if name != "glibc":
        return None
    old = tuple(map(int, version.split(".")[:2])) < REPAIRED
    settings = {**MERGED, **KEPT} if old else KEPT
    missing = [f"{key}={value}" for key, value in settings.items() if key not in present]
    if not missing:
        return None
    return {**environment, "GLIBC_TUNABLES": ":".join(filter(None, [present, *missing]))}


def restart_tuned() -> None:
    """Restart this program with such an environment where that makes a difference; otherwise return."""
    if not sys.platform.startswith("linux"):
        return
    environment = tuned(dict(os.environ), os.confstr("CS_GNU_LIBC_VERSION") or "")
    if environment is not None:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
