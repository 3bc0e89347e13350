"""The environment in which the C library keeps memory, and an older one keeps tensors closer together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autodas.cli._allocator import tuned

OLD = "glibc 2.36"
KEPT = "glibc.malloc.trim_threshold=1099511627776:glibc.malloc.mmap_threshold=33554432:glibc.malloc.hugetlb=1"
ALL = f"glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0:{KEPT}"


@pytest.mark.parametrize(
    ("environment", "library", "expected"),
    [
        ({}, OLD, ALL),
        ({"GLIBC_TUNABLES": ""}, OLD, ALL),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}, OLD, f"glibc.malloc.arena_max=1:{ALL}"),
        (
            {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=3"},
            OLD,
            f"glibc.malloc.tcache_count=3:glibc.malloc.mxfast=0:{KEPT}",
        ),
        ({"GLIBC_TUNABLES": ALL}, OLD, None),  # done: else the program would start for ever
        ({}, "glibc 2.39", KEPT),
        ({}, "glibc 2.41", KEPT),
        ({"GLIBC_TUNABLES": KEPT}, "glibc 2.41", None),
        ({}, "", None),
    ],
)
def test_environment(environment: dict[str, str], library: str, expected: str | None) -> None:
    found = tuned({"HOME": "/home/me", **environment}, library)
    if expected is None:
        assert found is None
    else:
        assert found == {"HOME": "/home/me", "GLIBC_TUNABLES": expected}


@pytest.mark.skipif(
    tuned({}, (sys.platform == "linux" and os.confstr("CS_GNU_LIBC_VERSION")) or "") is None,
    reason="another C library",
)
def test_commands_start_again_once_with_the_same_words() -> None:
    script = (
        "import os, sys\n"
        "from autodas.cli import main as module\n"
        "class Spy:\n"
        "    def run(self, words): print(words, os.environ['GLIBC_TUNABLES']); return 0\n"
        "module.import_module = lambda name: Spy()\n"
        "module.main()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", script, "search", "--run", "a b"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    name, _, own = done.stdout.rstrip("\n").rpartition(" ")
    assert name == "['--run', 'a b']"
    assert own in (ALL, KEPT)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_is_kept() -> None:
    """Counts the pages that are cleared for blocks that are freed and requested again and again."""
    script = (
        "import ctypes, resource\n"
        "library = ctypes.CDLL(None)\n"
        "library.malloc.restype = ctypes.c_void_p\n"
        "def use():\n"
        "    blocks = [ctypes.c_void_p(library.malloc(2**24)) for _ in range(4)]\n"
        "    for block in blocks: ctypes.memset(block, 1, 2**24)\n"
        "    for block in blocks: library.free(block)\n"
        "use()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(5): use()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    environment = tuned(dict(os.environ), os.confstr("CS_GNU_LIBC_VERSION") or "")
    if environment is None:
        pytest.skip("another C library")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert int(done.stdout) < 500  # without the settings all 16,384 each time
