"""Commands of this program in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from autodas.child_process import signal_name, start_child


def start_command(words: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command, which ends with this process.

    Args:
        words: words after ``autodas``.
        log: file to which its output is appended.
        environment: environment variables to set.
    """
    with open(log, "ab") as output:
        return start_child(
            [sys.executable, "-m", "autodas", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            environment=environment,
        )


def reason(code: int, log: Path) -> str:
    """Return why a command failed, from its exit code or the last line of its output."""
    if code < 0:
        name = signal_name(code)
        remedy = ", as happens when memory runs out: use fewer --jobs" if name == "SIGKILL" else ""
        return f"it was killed by {name}{remedy}"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("autodas: error: ") if lines else f"see {log}"
