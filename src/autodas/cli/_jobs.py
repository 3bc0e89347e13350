"""Commands of this program in processes of their own, a few at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from autodas.child_process import signal_name, start_child
from autodas.errors import Interrupted


@dataclass(frozen=True)
class Job:
    """Commands that follow each other; one that fails ends the job.

    Args:
        name: what people call it.
        commands: each the words after ``autodas``.
        log: file that takes what the commands print.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    log: Path


def run_jobs(jobs: Sequence[Job], at_once: int, say: Callable[[str], None]) -> list[Job]:
    """Run jobs, and return those that failed.

    Args:
        jobs: in the order in which they begin.
        at_once: how many run at a time.
        say: is told, in one line, what begins and what has failed.

    Raises:
        Interrupted: after Ctrl-C or a termination signal; the commands have been told to stop, and have.
    """
    running = _Running()

    def work(number: int, job: Job) -> Job | None:
        for command in job.commands:
            if running.stopped:
                return None
            say(f"[{number}/{len(jobs)}] {job.name}: {command[0]} ...")
            code = running.call(command, job.log)
            if code != 0 and not running.stopped:
                say(f"[{number}/{len(jobs)}] {job.name}: {command[0]} failed: {_reason(code, job.log)}")
                return job
        return None

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(work, number, job) for number, job in enumerate(jobs, 1)]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            running.stop()
            raise Interrupted("stopped; the same command goes on") from None
    return [job for future in futures if (job := future.result()) is not None]


class _Running:
    """The processes that run now."""

    def __init__(self) -> None:
        self.processes: set[subprocess.Popen[bytes]] = set()
        self.lock = threading.Lock()
        self.stopped = False

    def call(self, command: Sequence[str], log: Path) -> int:
        with open(log, "ab") as output:
            with self.lock:
                if self.stopped:
                    return 0
                process = start_child(
                    [sys.executable, "-m", "autodas", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                self.processes.add(process)
            code = process.wait()
        with self.lock:
            self.processes.discard(process)
        return code

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            for process in self.processes:
                process.terminate()


def _reason(code: int, log: Path) -> str:
    """Return why a command has failed, from its exit code or the last line that it has printed."""
    if code < 0:
        name = signal_name(code)
        remedy = ", as where memory has run out: use fewer --jobs" if name == "SIGKILL" else ""
        return f"it was killed by {name}{remedy}"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("autodas: error: ") if lines else f"see {log}"
