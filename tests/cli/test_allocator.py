"""The environment in which an older C library keeps tensors closer together."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autodas.cli._allocator import tuned

OLD = "glibc 2.36"
BOTH = "glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0"


@pytest.mark.parametrize(
    ("environment", "library", "expected"),
    [
        ({}, OLD, BOTH),
        ({"GLIBC_TUNABLES": ""}, OLD, BOTH),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}, OLD, f"glibc.malloc.arena_max=1:{BOTH}"),
        (
            {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=3"},
            OLD,
            "glibc.malloc.tcache_count=3:glibc.malloc.mxfast=0",
        ),
        ({"GLIBC_TUNABLES": BOTH}, OLD, None),  # done: else the program would start for ever
        ({}, "glibc 2.39", None),
        ({}, "glibc 2.41", None),
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
    assert done.stdout == f"['--run', 'a b'] {BOTH}\n"
