"""Processes that end with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import subprocess, sys, time
from autodas.child_process import start_child
child = start_child([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
assert child.stdout.readline() == b"ready\\n"
print(child.pid, flush=True)
if sys.argv[2] == "end":
    sys.exit()
time.sleep(100)
"""
CHILD = """
import sys, time
from autodas import child_process
if "%s" == "pipe":
    child_process.sys = type(sys)("other")
    child_process.sys.platform = "another system"
child_process.end_with_parent()
print("ready", flush=True)
time.sleep(100)
"""


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("way", ["signal", "pipe"])
@pytest.mark.parametrize("end", ["end", signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(way: str, end: str | int) -> None:
    command = [sys.executable, "-c", PARENT, CHILD % way, str(end)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if isinstance(end, int):
            assert not gone(child)
            parent.send_signal(end)
    limit = time.monotonic() + 30
    while not gone(child):
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="a signal of Linux")
def test_a_child_that_is_stopped_ends_too() -> None:
    command = [sys.executable, "-c", PARENT, CHILD % "signal", "kill"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGSTOP)
        parent.kill()
    limit = time.monotonic() + 30
    while not gone(child):
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_other_programs_do_not_know_of_it() -> None:
    from autodas.child_process import end_with_parent

    assert "AUTODAS_PARENT" not in os.environ
    end_with_parent()
