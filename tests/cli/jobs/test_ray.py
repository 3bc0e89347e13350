"""Jobs in a Ray cluster: the decisions with a stand-in for Ray, and whole comparisons with Ray itself."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.test_compare import compare

from autodas.cli.jobs import Job
from autodas.cli.jobs._ray import RETRIES, _Tasks
from autodas.cli.jobs._ray_cluster import Share
from autodas.cli.jobs._ray_node import Attempt, Ended, Started
from autodas.cli.main import main
from autodas.errors import AutodasError

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs autodas[ray]")


class RayError(Exception):
    """The end of a worker."""


class RayTaskError(RayError):
    """An exception in a task."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Ray:
    """Stands in for Ray: a task is a list of what it reports, in which exceptions are raised."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, attempts: dict[str, list[list[Any]]]) -> None:
        self.attempts = attempts
        self.most = 0
        self.started: list[str] = []

    def remote(self, function: object) -> Ray:
        return self

    def options(self, *, name: str, **options: object) -> SimpleNamespace:
        def start(attempt: Attempt, files: object) -> Iterator[Any]:
            self.started.append(name)
            return iter(self.attempts[name].pop(0))

        return SimpleNamespace(remote=start)

    def put(self, value: object) -> object:
        return value

    def wait(self, generators: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        self.most = max(self.most, len(generators))
        return generators[-1:], generators[:-1]

    def get(self, event: Any) -> Any:
        if isinstance(event, Exception):
            raise event
        return event


def run(folder: Path, attempts: dict[str, list[list[Any]]]) -> tuple[Ray, list[str], list[str]]:
    """Return the stand-in, the names of the jobs that failed, and what is said."""
    jobs = [Job(name, folder / name, {"search": (), "train": ()}) for name in attempts]
    for job in jobs:
        job.folder.mkdir()
        job.log.write_text("autodas: error: bad luck\n")
    ray, said = Ray(attempts), list[str]()
    failed = _Tasks(ray, Share(2, 1, 0), jobs, said.append).run()
    return ray, [job.name for job in failed], said


def done(part: str, code: int = 0) -> list[Any]:
    return [Started(part, "node1", 77), Ended(part, code)]


def test_a_job_is_resumed_after_its_worker_has_died(tmp_path: Path) -> None:
    killed = [Started("search", "node1", 77), {"search/running.json": lock("node1", 77)}, RayError()]
    ray, failed, said = run(tmp_path, {"a": [killed, [*done("search"), *done("train")]]})
    assert not failed
    assert ray.started == ["a", "a"]
    assert said == [
        "[1/1] a: search ...",
        "[1/1] a: search interrupted: its worker has died (RayError); resuming (1 of 3)",
        "[1/1] a: search ...",
        "[1/1] a: train ...",
    ]
    assert not (tmp_path / "a/search/running.json").exists(), "the lock of the process that died"


def lock(host: str, process: int) -> bytes:
    return json.dumps({"host": host, "machine": [], "process": process, "started": "1"}).encode()


def test_the_lock_of_another_process_stays(tmp_path: Path) -> None:
    killed = [Started("search", "node1", 77), {"search/running.json": lock("node2", 77)}, RayError()]
    run(tmp_path, {"a": [killed, done("search")]})
    assert (tmp_path / "a/search/running.json").exists()


def test_it_is_given_up_after_some_attempts(tmp_path: Path) -> None:
    killed = done("search", -signal.SIGKILL)
    _, failed, said = run(tmp_path, {"a": [killed] * (RETRIES + 1), "b": [done("search")]})
    assert failed == ["a"]
    assert sum("; resuming (" in line for line in said) == RETRIES
    (last,) = [line for line in said if "failed" in line]
    assert last.startswith(
        "[1/2] a: search failed: it was killed by SIGKILL, as happens when memory runs out"
    )
    assert last.endswith("; given up after resuming 3 times")


def test_a_failure_is_final_and_others_go_on(tmp_path: Path) -> None:
    ray, failed, said = run(
        tmp_path,
        {
            "a": [done("search", 2)],
            "b": [[*done("search"), *done("train")]],
            "c": [[RayTaskError(AutodasError("no room on node1"))]],
            "d": [[RayTaskError(ModuleNotFoundError("No module named 'autodas'\nmore"))]],
        },
    )
    assert failed == ["a", "c", "d"]
    assert "[1/4] a: search failed: bad luck" in said
    assert "[3/4] c: failed: no room on node1" in said
    assert "[4/4] d: failed: ModuleNotFoundError: No module named 'autodas'" in said
    assert ray.most == 2, "so many at a time"
    assert sorted(ray.started) == ["a", "b", "c", "d"]


def without_times(table: Path) -> list[str]:
    rows = [line.split("|") for line in table.read_text().splitlines()]
    heads = next(row for row in rows if len(row) > 1)
    times = [place for place, head in enumerate(heads) if re.search(r", (CPU )?s\s*$", head)]
    assert len(times) == 2
    return ["|".join(c for place, c in enumerate(row) if len(row) == 1 or place not in times) for row in rows]


def wait_for(condition: Callable[[], Any], seconds: float = 200) -> Any:
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


def process_in(folder: Path) -> int | None:
    """Return the process of the run in a folder that has saved its state."""
    if not (folder / "checkpoints/last.pt").exists():
        return None
    try:
        return int(json.loads((folder / "running.json").read_text())["process"])
    except OSError:
        return None


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Environment in which Ray has a folder of its own, whose name is short enough for sockets."""
    folder = tempfile.mkdtemp(prefix="ray-")
    yield {
        **os.environ,
        "RAY_TMPDIR": folder,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A cluster with two CPUs, and the environment of its users."""
    words = ["start", "--head", "--num-cpus=2", "--port=0", "--include-dashboard=false", "--block"]
    with subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        latest = Path(environment["RAY_TMPDIR"], "ray/ray_current_cluster")
        wait_for(lambda: latest.exists() or process.poll() is not None, 60)
        assert process.poll() is None
        yield {**environment, "RAY_ADDRESS": "auto"}
        process.terminate()
        process.wait()


def start(words: Sequence[str], environment: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    with open(output, "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "autodas", *words], env=environment, stdout=file, stderr=subprocess.STDOUT
        )


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("forked_jobs")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_table_is_that_of_local_runs_whatever_dies(tmp_path: Path, cluster: dict[str, str]) -> None:
    """Six runs, of which one loses its process, and one its worker."""
    options = ["--methods=das,sdas-c", "--seeds=2", "--search.epochs=20", "--search.checkpoint_every=5"]
    assert main([*compare(tmp_path / "local", *options), "--quiet"]) == 0
    folder = tmp_path / "ray"
    process = start(compare(folder, *options, "--on=ray"), cluster, tmp_path / "output")
    os.kill(wait_for(lambda: process_in(folder / "das/seed0/search")), signal.SIGKILL)
    child = wait_for(lambda: process_in(folder / "das/seed1/search"))
    worker = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(worker, signal.SIGKILL)
    assert process.wait() == 0
    output = (tmp_path / "output").read_text()
    assert (
        "connecting to the Ray cluster on this machine ...\n1 node; 2 at a time, each with 1 CPU\n" in output
    )
    assert "das, seed 0: search interrupted: it was killed by SIGKILL" in output
    assert "das, seed 1: search interrupted: its worker has died" in output
    assert without_times(folder / "comparison.md") == without_times(tmp_path / "local/comparison.md")
    for part in ("search", "train"):
        here, there = (tmp_path / on / "das/seed0" / part / "genotype.json" for on in ("local", "ray"))
        assert here.read_bytes() == there.read_bytes()
    assert not list(folder.rglob("driver.tmp"))


@needs_ray
@pytest.mark.slow
def test_stopped_continued_and_failed_in_a_cluster_of_its_own(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    options = ["--methods=random", "--seeds=1", "--search.epochs=100000", "--search.checkpoint_every=1"]
    words = compare(tmp_path / "run", *options, "--on=ray")
    search = tmp_path / "run/random/seed0/search"
    process = start(words, environment, tmp_path / "output")
    running = wait_for(lambda: process_in(search))
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    output = (tmp_path / "output").read_text()
    assert "starting a Ray cluster on this machine ..." in output
    assert output.endswith("autodas: stopped; run the same command again to resume\n")
    assert "stopped after iteration" in (search.parent / "log.txt").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)
    assert not (search / "running.json").exists()
    # What cannot be continued is said, and not tried again.
    (search / "checkpoints/last.pt").write_bytes(b"broken")
    process = start(words, environment, tmp_path / "output")
    assert process.wait() == 2
    output = (tmp_path / "output").read_text()
    assert "[1/1] random, seed 0: search failed: " in output
    assert "resuming" not in output
    assert "1 of 1 failed: random, seed 0 (see " in output
