"""Jobs on this machine, a few at a time."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from autodas.cli.jobs._job import THREADS, Job, Resources
from autodas.cli.jobs._process import reason, start_command
from autodas.errors import Interrupted

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable with the GPUs that a process sees, separated by commas."""


def run_locally(jobs: Sequence[Job], wanted: Resources, say: Callable[[str], None]) -> list[Job]:
    """Run jobs, and return those that failed.

    Each job has its share of the CPU cores, and sees the GPU that fewest others use.

    Args:
        jobs: jobs in the order in which they start.
        wanted: number of jobs at a time (usually one), their threads and their device.
        say: called with one line for each command that starts or fails.

    Raises:
        Interrupted: after Ctrl-C or a termination signal, once all commands have stopped.
    """
    at_once = wanted.at_once or 1
    threads = wanted.threads or max(1, (os.cpu_count() or 1) // at_once)
    running = _Running(_gpus(wanted.device), {THREADS: str(threads)})

    def work(number: int, job: Job) -> Job | None:
        with running.environment() as environment:
            for part, words in job.left().items():
                if running.stopped:
                    return None
                say(f"[{number}/{len(jobs)}] {job.name}: {part} ...")
                code = running.call(words, job.log, environment)
                if code != 0 and not running.stopped:
                    say(f"[{number}/{len(jobs)}] {job.name}: {part} failed: {reason(code, job.log)}")
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


def _gpus(device: str) -> list[str]:
    """Return the names of the GPUs over which jobs are spread; empty with fewer than two, or a chosen one."""
    import torch

    count = torch.cuda.device_count()
    if device not in ("auto", "cuda") or count < 2:
        return []
    chosen = os.environ.get(VISIBLE)
    return [str(i) for i in range(count)] if chosen is None else chosen.split(",")[:count]


class _Running:
    """Set of running processes, and the number of jobs on each GPU.

    Args:
        gpus: names of the GPUs; empty to leave the choice to the jobs.
        common: environment variables of all jobs.
    """

    def __init__(self, gpus: Sequence[str], common: Mapping[str, str]) -> None:
        self.processes: set[subprocess.Popen[bytes]] = set()
        self.lock = threading.Lock()
        self.stopped = False
        self.jobs_on = dict.fromkeys(gpus, 0)
        self.common = common

    @contextmanager
    def environment(self) -> Iterator[Mapping[str, str]]:
        """Provide the environment of a job, with the GPU that fewest others use."""
        if not self.jobs_on:
            yield self.common
            return
        with self.lock:
            chosen = min(self.jobs_on, key=lambda gpu: self.jobs_on[gpu])
            self.jobs_on[chosen] += 1
        try:
            yield {**self.common, VISIBLE: chosen}
        finally:
            with self.lock:
                self.jobs_on[chosen] -= 1

    def call(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        with self.lock:
            if self.stopped:
                return 0
            process = start_command(words, log, environment)
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
