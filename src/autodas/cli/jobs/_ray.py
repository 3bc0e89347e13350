"""Jobs as tasks of a Ray cluster."""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodas.cli.jobs._copies import read_copies, write_copies
from autodas.cli.jobs._job import THREADS, Job, Resources
from autodas.cli.jobs._process import reason
from autodas.cli.jobs._ray_cluster import Share, connected, first_line, import_ray, share_of
from autodas.cli.jobs._ray_node import MARKER, Attempt, Ended, Event, Started, run_attempt
from autodas.errors import AutodasError, Interrupted
from autodas.runs.folder import RunFolder

RETRIES = 3
"""Number of times that a job is resumed after its process, its worker or its node has died."""


def run_in_ray(jobs: Sequence[Job], wanted: Resources, say: Callable[[str], None]) -> list[Job]:
    """Run jobs in a Ray cluster, and return those that failed.

    Args:
        jobs: jobs in the order in which they start.
        wanted: number of jobs at a time, their threads and their device.
        say: called with one line for each command that starts, is resumed, or fails.

    Raises:
        AutodasError: if Ray is not installed, the cluster cannot be reached, or no node has what a job needs.
        Interrupted: after Ctrl-C or a termination signal, once all commands have stopped.
    """
    ray = import_ray()
    with connected(ray, say):
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        share = share_of([(int(each.get("CPU", 0)), int(each.get("GPU", 0))) for each in alive], wanted)
        say(f"{len(alive)} node{'s' * (len(alive) > 1)}; {share}")
        tasks = _Tasks(ray, share, jobs, say)
        try:
            return tasks.run()
        except KeyboardInterrupt:
            tasks.stop()
            raise Interrupted("stopped; run the same command again to resume") from None
        finally:
            for job in jobs:
                (job.folder / MARKER).unlink(missing_ok=True)


@dataclass
class _Task:
    """Job with its place in the list, the number of its attempts that died, and the state of the last."""

    number: int
    job: Job
    died: int = 0
    started: Started | None = None
    ended: Ended | None = None


class _Tasks:
    """Tasks that wait and that run. A running task is a generator of what happens on its node."""

    def __init__(self, ray: Any, share: Share, jobs: Sequence[Job], say: Callable[[str], None]) -> None:
        self.ray = ray
        self.share = share
        self.say = say
        self.jobs = jobs
        self.waiting = deque(_Task(number, job) for number, job in enumerate(jobs, 1))
        self.running: dict[Any, _Task] = {}
        self.failed: list[_Task] = []
        self.run_on_node = ray.remote(_run_on_node)
        self.options = {
            "num_cpus": share.cpus,
            "num_gpus": share.gpus,
            "num_returns": "streaming",
            "max_retries": 0,  # a new attempt is decided here, once the lock of the last one is removed
        }

    def run(self) -> list[Job]:
        while self.waiting or self.running:
            while self.waiting and len(self.running) < self.share.at_once:
                self._start(self.waiting.popleft())
            (generator,), _ = self.ray.wait(list(self.running), num_returns=1)
            try:
                self._note(self.running[generator], self.ray.get(next(generator)))
            except StopIteration:
                self._finish(self.running.pop(generator))
            except self.ray.exceptions.RayTaskError as error:
                cause = error.cause
                text = str(cause) if isinstance(cause, AutodasError) else first_line(cause)
                self._fail(self.running.pop(generator), text)
            except self.ray.exceptions.RayError as error:
                self._revive(self.running.pop(generator), f"its worker has died ({type(error).__name__})")
        return [task.job for task in sorted(self.failed, key=lambda task: task.number)]

    def stop(self) -> None:
        """Stop all tasks, and wait until their commands have ended."""
        for generator in self.running:
            self.ray.cancel(generator)
        for generator in self.running:
            with suppress(self.ray.exceptions.RayError):
                for reference in generator:
                    self.ray.get(reference)

    def _start(self, task: _Task) -> None:
        job = task.job
        task.started = task.ended = None
        token = uuid.uuid4().hex
        (job.folder / MARKER).write_text(token, encoding="utf-8")
        files = self.ray.put(read_copies(job.folder))
        own = {name: value for name, value in os.environ.items() if name.startswith("AUTODAS_")}
        attempt = Attempt(job, Path.cwd(), token, {**own, THREADS: str(self.share.cpus)})
        # References within a list are not resolved: only a node that lacks the files reads them.
        self.running[self.run_on_node.options(name=job.name, **self.options).remote(attempt, [files])] = task

    def _note(self, task: _Task, event: Event) -> None:
        if isinstance(event, Started):
            task.started = event
            self._say(task, "...")
        elif isinstance(event, Ended):
            task.ended = event
        else:
            write_copies(task.job.folder, event)

    def _finish(self, task: _Task) -> None:
        """Decide what follows from the end of the last command."""
        if task.ended is None or task.ended.code == 0:
            return
        why = reason(task.ended.code, task.job.log)
        if task.ended.code < 0:
            self._revive(task, why)
        else:
            self._fail(task, why)

    def _revive(self, task: _Task, why: str) -> None:
        """Resume a task whose process, worker or node has died."""
        if task.started is not None:
            RunFolder(task.job.folder / task.started.part).unlock(task.started.host, task.started.process)
        if task.died == RETRIES:
            self._fail(task, f"{why}; given up after resuming {RETRIES} times")
            return
        task.died += 1
        self._say(task, f"interrupted: {why}; resuming ({task.died} of {RETRIES})")
        self.waiting.appendleft(task)

    def _fail(self, task: _Task, why: str) -> None:
        self._say(task, f"failed: {why}")
        self.failed.append(task)

    def _say(self, task: _Task, text: str) -> None:
        part = f"{task.started.part} " if task.started else ""
        self.say(f"[{task.number}/{len(self.jobs)}] {task.job.name}: {part}{text}")


def _run_on_node(attempt: Attempt, files: Sequence[Any]) -> Iterator[Event]:
    import ray

    yield from run_attempt(attempt, lambda: ray.get(files[0]))
