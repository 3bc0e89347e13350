"""Processes that read batches: one pool for all loaders of a program."""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from autodas.child_process import signal_name, start_child
from autodas.data.batches._stream import Answer, Reader, Request
from autodas.data.batches._worker import Failure, Parcel, receive, send
from autodas.data.splits._split import Split
from autodas.errors import AutodasError
from autodas.stopping import Stopped, stop_requested

AHEAD = 2
"""Number of batches requested in advance per worker."""

PATIENCE = 60.0
"""Waiting time for a batch, in seconds, after which the user is informed."""

LIMIT = "AUTODAS_WORKER_TIMEOUT"
"""Environment variable: waiting time for a batch, in seconds, after which the run ends; 600 by default."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from autodas.child_process import end_with_parent; end_with_parent(); "
    "from autodas.data.batches._worker import serve; serve()"
)


class Workers:
    """Pool of processes that answer the requests of any number of loaders.

    They are separate programs, not forks: a fork inherits locks held by other threads, and waits for them
    indefinitely. They end with this object, and with this process however it ends.

    Args:
        count: number of processes.
    """

    def __init__(self, count: int) -> None:
        self.count, self.process = count, os.getpid()
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._workers = [_Worker(self._tasks) for _ in range(count)]
        self._parcels: weakref.WeakKeyDictionary[object, Parcel] = weakref.WeakKeyDictionary()
        weakref.finalize(self, _close, self._tasks, self._workers)

    @property
    def whole(self) -> bool:
        """Whether all processes can still be used by this process."""
        return self.process == os.getpid() and not any(worker.death for worker in self._workers)

    def answers(
        self, reader: Reader, requests: Iterator[Request], *, pin: bool = False
    ) -> Generator[Answer, None, None]:
        """Yield the answers in the order of the requests; may be closed early.

        Args:
            reader: reader used by the workers.
            requests: any number of requests.
            pin: whether to put pixels in pinned memory, for copies to a CUDA device.

        Raises:
            AutodasError: if data cannot be read, or a worker has died or does not answer.
            Stopped: if a stop is requested.
        """
        parcels = (self._parcel(reader.split), self._parcel(reader))
        ahead: deque[_Task] = deque()

        def ask() -> None:
            for request in requests:
                ahead.append(_Task(parcels, request, pin))
                self._tasks.put(ahead[-1])
                if len(ahead) >= AHEAD * self.count:
                    break

        try:
            ask()
            while ahead:
                answer = self._wait(ahead[0], reader.split)
                ahead.popleft()
                ask()
                yield answer
        finally:
            for task in ahead:
                task.future.cancel()

    def _wait(self, task: _Task, split: Split) -> Answer:
        """Return the answer to a task; raises as :meth:`answers`."""
        started, reported = time.monotonic(), False
        limit = float(os.environ.get(LIMIT) or 600)
        while not wait([task.future], timeout=0.2).done:
            if stop_requested():
                raise Stopped
            for worker in self._workers:
                if worker.death:
                    over = f" over the {_of(task, split)}" if task.worker is worker else ""
                    raise AutodasError(f"a process that reads data {worker.death}{over}")
            waited = time.monotonic() - started
            who = "none is free" if task.worker is None else task.worker.state
            if waited > limit:
                raise AutodasError(
                    f"a process that reads data ({who}) has not answered for {waited:.0f} s, over the "
                    f"{_of(task, split)}: it hangs, or the files are on a device that does not answer. "
                    f"`data.workers=0` reads in this process; ${LIMIT} sets the seconds"
                )
            if waited > min(PATIENCE, limit / 2) and not reported:
                reported = True
                print(
                    f"still waiting, for {waited:.0f} s, for a process that reads data ({who})",
                    file=sys.stderr,
                    flush=True,
                )
        return task.future.result()

    def _parcel(self, content: Reader | Split) -> Parcel:
        """Return a packed object; each object is packed once."""
        if content not in self._parcels:
            self._parcels[content] = Parcel(next(_numbers), _packed(content, self._parcels), sys.path)
        return self._parcels[content]


def shared_workers(count: int) -> Workers:
    """Return the pool of this process; a new one if there is none of that size, or a worker has died."""
    pool = _pools.get(count)
    if pool is None or not pool.whole:
        pool = _pools[count] = Workers(count)
    return pool


_pools: weakref.WeakValueDictionary[int, Workers] = weakref.WeakValueDictionary()
_numbers = iter(range(sys.maxsize))


class _Task:
    """Pending request.

    Args:
        parcels: parcels required by a worker; the last one is the reader.
        request: the batch.
        pin: as in :meth:`Workers.answers`.
    """

    def __init__(self, parcels: tuple[Parcel, ...], request: Request, pin: bool) -> None:
        self.parcels, self.request, self.pin = parcels, request, pin
        self.future: Future[Answer] = Future()
        self.worker: _Worker | None = None


class _Worker:
    """One process, and the thread that communicates with it."""

    def __init__(self, tasks: queue.SimpleQueue[_Task | None]) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.closed, self.death = False, ""
        self._thread = threading.Thread(target=self._run, args=(tasks,), name="data worker", daemon=True)
        self._thread.start()

    def _run(self, tasks: queue.SimpleQueue[_Task | None]) -> None:
        try:
            process = self.process = start_child(
                [sys.executable, "-c", _START, json.dumps(sys.path)],
                # A process group of its own: Ctrl-C is handled by the main process, which decides what to do
                # with it.
                **({"process_group": 0} if os.name == "posix" else {}),
                environment={"OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
            known: set[int] = set()
            while not self.closed and (task := tasks.get()) is not None:
                if task.future.set_running_or_notify_cancel():
                    task.worker = self
                    _settle(task.future, self._ask(process, known, task))
        except (EOFError, OSError) as error:
            if self.process is None:
                self.death = f"cannot be started: {error}"
            else:
                self.death = _ending(self.process.wait())
        finally:
            self._end()

    def _ask(self, process: subprocess.Popen[bytes], known: set[int], task: _Task) -> Any:
        assert process.stdin is not None
        assert process.stdout is not None
        for parcel in task.parcels:
            if parcel.number not in known:
                send(process.stdin, parcel)
                known.add(parcel.number)
        send(process.stdin, (task.parcels[-1].number, task.request))
        answer = receive(process.stdout)
        if task.pin and isinstance(answer, Answer):
            answer = answer._replace(pixels=answer.pixels.pin_memory())
        return answer

    def _end(self) -> None:
        process = self.process
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        process.wait()

    def close(self) -> None:
        """End the process; it holds nothing that could be lost."""
        self.closed = True
        if self.process is not None:
            self.process.kill()
            self._thread.join(2)

    @property
    def state(self) -> str:
        """Name of the process in messages."""
        if self.process is None:
            return "one that has not started"
        halted = ""
        with suppress(OSError, IndexError):
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
            halted = ", which is stopped" if stat.rpartition(")")[2].split()[0] in "Tt" else ""
        return f"number {self.process.pid}{halted}"


def _settle(future: Future[Answer], outcome: Any) -> None:
    if isinstance(outcome, Failure):
        kind = AutodasError if outcome.mendable else RuntimeError
        future.set_exception(kind(outcome.message))
    else:
        future.set_result(outcome)


def _close(tasks: queue.SimpleQueue[_Task | None], workers: list[_Worker]) -> None:
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        worker.close()


def _of(task: _Task, split: Split) -> str:
    """Return the samples of a task, for messages."""
    indices = list(dict.fromkeys((task.request.indices % len(split)).tolist()))
    more = f" and {len(indices) - 1} other {split.what}" if len(indices) > 1 else ""
    return f"batch of {split.describe(indices[0])}{more}"


def _ending(code: int) -> str:
    """Return how a process has ended, with advice."""
    if code >= 0:
        return f"has ended with exit code {code} (`data.workers=0` reads in this process)"
    name = signal_name(code)
    if name == "SIGKILL":
        return (
            "was killed by SIGKILL, usually because memory has run out (use fewer "
            "`data.workers` or a smaller `batch_size`)"
        )
    return (
        f"was killed by {name}, usually because of a damaged file that crashes a decoder (try "
        "without the files of the batch)"
    )


class _Pickler(pickle.Pickler):
    """Pickler that replaces objects already sent by their numbers."""

    def __init__(
        self, file: BytesIO, content: object, parcels: weakref.WeakKeyDictionary[object, Parcel]
    ) -> None:
        super().__init__(file, protocol=5)
        self.content, self.parcels = content, parcels

    def persistent_id(self, value: Any) -> int | None:
        if isinstance(value, Split) and value is not self.content and value in self.parcels:
            return self.parcels[value].number
        return None


def _packed(content: object, parcels: weakref.WeakKeyDictionary[object, Parcel]) -> bytes:
    file = BytesIO()
    try:
        _Pickler(file, content, parcels).dump(content)
    except Exception as error:  # user-defined objects may refuse in any way
        raise AutodasError(
            f"the data set cannot be sent to other processes ({type(error).__name__}: {error}): use "
            "data.workers 0, which reads in this one"
        ) from error
    return file.getvalue()
