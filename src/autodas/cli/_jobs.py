"""Commands of this program in separate processes, a few at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autodas.child_process import signal_name, start_child
from autodas.errors import Interrupted

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable with the GPUs that a process sees, separated by commas."""


@dataclass(frozen=True)
class Job:
    """Sequence of commands, which ends with the first one that fails.

    Args:
        name: name in messages.
        commands: commands, each as the words after ``autodas``.
        log: file for the output of the commands.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    log: Path


def run_jobs(
    jobs: Sequence[Job], at_once: int, say: Callable[[str], None], gpus: Sequence[str] = ()
) -> list[Job]:
    """Run jobs, and return those that failed.

    Args:
        jobs: jobs in the order in which they start.
        at_once: number of jobs that run at a time.
        say: called with one line for each command that starts or fails.
        gpus: names of the GPUs, of which each job sees the one that fewest others use; empty to leave the
            choice to the jobs.

    Raises:
        Interrupted: after Ctrl-C or a termination signal, once all commands have stopped.
    """
    running = _Running(gpus)

    def work(number: int, job: Job) -> Job | None:
        with running.gpu() as environment:
            for command in job.commands:
                if running.stopped:
                    return None
                say(f"[{number}/{len(jobs)}] {job.name}: {command[0]} ...")
                code = running.call(command, job.log, environment)
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
            raise Interrupted("stopped; run the same command again to resume") from None
    return [job for future in futures if (job := future.result()) is not None]


class _Running:
    """Set of running processes, and the number of jobs on each GPU."""

    def __init__(self, gpus: Sequence[str]) -> None:
        self.processes: set[subprocess.Popen[bytes]] = set()
        self.lock = threading.Lock()
        self.stopped = False
        self.jobs_on = dict.fromkeys(gpus, 0)

    @contextmanager
    def gpu(self) -> Iterator[dict[str, str]]:
        """Provide the environment of a job, with the GPU that fewest others use."""
        if not self.jobs_on:
            yield {}
            return
        with self.lock:
            chosen = min(self.jobs_on, key=lambda gpu: self.jobs_on[gpu])
            self.jobs_on[chosen] += 1
        try:
            yield {VISIBLE: chosen}
        finally:
            with self.lock:
                self.jobs_on[chosen] -= 1

    def call(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        with open(log, "ab") as output:
            with self.lock:
                if self.stopped:
                    return 0
                process = start_child(
                    [sys.executable, "-m", "autodas", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    environment=environment,
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
    """Return why a command failed, from its exit code or the last line of its output."""
    if code < 0:
        name = signal_name(code)
        remedy = ", as happens when memory runs out: use fewer --jobs" if name == "SIGKILL" else ""
        return f"it was killed by {name}{remedy}"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("autodas: error: ") if lines else f"see {log}"
