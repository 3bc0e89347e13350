"""The processes that read data: what they give, how they end, and what is said when one fails."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from autodas.data import Loader, open_dataset
from autodas.data.batches._workers import Workers, shared_workers
from autodas.errors import AutodasError
from autodas.stopping import Stopped, StopRequest

pytestmark = pytest.mark.slow


def children(of: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == of and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(condition: Callable[[], object], seconds: float = 60) -> bool:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture
def make_loader(make_folder: Callable[..., Path]) -> Callable[..., Loader]:
    data = open_dataset(f"imagefolder:{make_folder(count=9, width=30)}", storage="stream", image_size=16)

    def make(workers: int = 1, batch_size: int = 4, shuffle: bool = False) -> Loader:
        return Loader(
            data.train,
            None,
            batch_size=batch_size,
            mean=data.mean,
            std=data.std,
            image_size=16,
            seed=3,
            shuffle=shuffle,
            augmentation=None,
            workers=workers,
        )

    return make


@pytest.fixture
def worker() -> Iterator[int]:
    """The number of the process that reads for loaders with one worker; it is this test's own."""
    before = set(children(os.getpid()))
    pool = Workers(1)
    from autodas.data.batches import _workers

    kept = _workers._pools.get(1)
    _workers._pools[1] = pool
    assert until(lambda: set(children(os.getpid())) - before)
    yield next(iter(set(children(os.getpid())) - before))
    if kept is not None:
        _workers._pools[1] = kept


@needs_proc
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, r"was killed by SIGKILL.*memory.*fewer `data\.workers"),
        (signal.SIGSEGV, r"was killed by SIGSEGV.*damaged file"),
    ],
)
def test_a_worker_that_dies_is_told_in_one_sentence(
    make_loader: Callable[..., Loader], worker: int, number: int, message: str
) -> None:
    batches = make_loader().stream()
    next(batches)
    os.kill(worker, number)
    with pytest.raises(AutodasError, match=message) as caught:
        list(itertools.islice(batches, 20))
    assert "\n" not in str(caught.value)
    assert until(lambda: gone(worker))
    # The next run of this process has new ones.
    assert len(next(make_loader().batches(0)).labels) == 4


@needs_proc
def test_a_worker_that_is_stopped_is_told_and_ends_the_run_after_the_limit(
    make_loader: Callable[..., Loader],
    worker: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    batches = make_loader().stream()
    next(batches)
    os.kill(worker, signal.SIGSTOP)
    monkeypatch.setenv("AUTODAS_WORKER_TIMEOUT", "1")
    with pytest.raises(AutodasError, match=f"number {worker}, which is stopped.*has not answered for 1 s"):
        list(itertools.islice(batches, 20))
    assert (
        f"still waiting, for 1 s, for a process that reads data (number {worker}" in capsys.readouterr().err
    )
    os.kill(worker, signal.SIGCONT)


@needs_proc
def test_a_stop_request_is_seen_while_waiting(make_loader: Callable[..., Loader], worker: int) -> None:
    batches = make_loader().stream()
    next(batches)
    os.kill(worker, signal.SIGSTOP)
    with StopRequest() as stop:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        started = time.monotonic()
        with pytest.raises(Stopped):
            list(itertools.islice(batches, 20))
        assert time.monotonic() - started < 10
        assert stop.requested
    os.kill(worker, signal.SIGCONT)


@needs_proc
def test_workers_end_with_their_pool() -> None:
    before = set(children(os.getpid()))
    pool = Workers(2)
    assert until(lambda: len(set(children(os.getpid())) - before) == 2)
    mine = set(children(os.getpid())) - before
    del pool
    gc.collect()
    assert until(lambda: all(map(gone, mine)))


PARENT = """
import sys, time
import numpy as np
from autodas.data import Loader, open_dataset
data = open_dataset(sys.argv[1], storage="stream", image_size=16)
loader = Loader(data.train, None, batch_size=4, mean=data.mean, std=data.std, image_size=16, seed=0,
                shuffle=True, augmentation=None, workers=2)
stream = loader.stream()
next(stream)
print("ready", flush=True)
time.sleep(60)
"""


@needs_proc
@pytest.mark.parametrize("stopped", [False, True])
def test_workers_end_with_their_parent(make_folder: Callable[..., Path], stopped: bool) -> None:
    data = f"imagefolder:{make_folder(count=9, width=30)}"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, data], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    workers = children(parent.pid)
    assert len(workers) == 2
    if stopped:
        os.kill(workers[0], signal.SIGSTOP)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert until(lambda: all(map(gone, workers)), 30)


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="mounts a file system")
def test_no_shared_memory_is_needed(make_folder: Callable[..., Path]) -> None:
    data = f"imagefolder:{make_folder(count=9, width=30)}"
    script = PARENT.replace("time.sleep(60)", "[next(stream) for _ in range(20)]; print(len(stream_left))")
    script = script.replace("len(stream_left)", "'done'").replace("image_size=16", "image_size=224")
    mount = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", script, data]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("no file system can be mounted here")
    assert done.stdout.splitlines() == ["ready", "done"], done.stderr


def test_what_cannot_be_sent_to_workers_is_told(make_loader: Callable[..., Loader]) -> None:
    make = make_loader()
    make._reader.split.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(AutodasError, match=r"cannot be sent to other processes .*data\.workers 0"):
        next(make.batches(0))


def test_a_split_is_sent_once_for_all_its_loaders(make_loader: Callable[..., Loader]) -> None:
    pool = shared_workers(1)
    makes = [make_loader(), make_loader(shuffle=True)]
    makes[0]._reader.split.ballast = bytes(100_000)  # type: ignore[attr-defined]
    parcels = [pool._parcel(content) for m in makes for content in (m._reader.split, m._reader)]
    assert parcels[0] is parcels[2]
    assert len(parcels[0].content) > 100_000
    assert all(len(parcels[i].content) < 10_000 for i in (1, 3))


def test_arrays_arrive_as_they_were_sent() -> None:
    from autodas.data.batches._worker import receive, send

    reading, writing = os.pipe()
    message = (3, {"a": torch.arange(12).reshape(3, 4).T, "b": np.array([[1.5]]), "c": "é", "d": None})
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", 0) as target:
        send(target, message)
        number, found = receive(source)
    assert number == 3
    assert torch.equal(found["a"], message[1]["a"])
    found["a"][0] = 7  # it can be written to, as batches are
    assert (found["b"], found["c"], found["d"]) == (np.array([[1.5]]), "é", None)
    with pytest.raises(EOFError), open(os.devnull, "rb") as nothing:
        receive(nothing)
