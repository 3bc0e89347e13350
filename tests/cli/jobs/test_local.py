"""Jobs on this machine: their GPUs, their threads, and why they fail."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
import torch

from autodas.cli.jobs import Job, Resources, _local, _process, run_locally
from autodas.cli.jobs._process import reason
from autodas.runs.folder import RunFolder


def test_a_run_that_is_killed_is_said_to_be(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("search epoch 1\nautodas: error: no room\n")
    assert reason(2, log) == "no room"
    assert reason(-signal.SIGKILL, log) == (
        "it was killed by SIGKILL, as happens when memory runs out: use fewer --jobs"
    )
    assert reason(-signal.SIGSEGV, log) == "it was killed by SIGSEGV"


def test_jobs_are_spread_over_the_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any time no GPU has more jobs than another, whichever end first; threads are shared out."""
    seen: list[str] = []
    threads: set[str] = set()
    together = threading.Barrier(3, timeout=30)

    class Process:
        def wait(self) -> int:
            together.wait()
            return 0

    def start(words: object, *, environment: dict[str, str], **options: object) -> Process:
        seen.append(environment["CUDA_VISIBLE_DEVICES"])
        threads.add(environment["OMP_NUM_THREADS"])
        return Process()

    monkeypatch.setattr(_process, "start_child", start)
    monkeypatch.setattr(_local, "_gpus", lambda device: ["2", "5", "7"])
    monkeypatch.setattr(os, "cpu_count", lambda: 13)
    jobs = [Job(str(n), tmp_path, {"search": ("search",)}) for n in range(6)]
    assert run_locally(jobs, Resources(3), lambda line: None) == []
    assert sorted(seen[:3]) == ["2", "5", "7"]
    assert sorted(seen) == ["2", "2", "5", "5", "7", "7"]
    assert threads == {"4"}


@pytest.mark.parametrize(
    ("count", "visible", "device", "expected"),
    [
        (3, None, "auto", ["0", "1", "2"]),
        (2, "3,GPU-8", "cuda", ["3", "GPU-8"]),
        (1, None, "auto", []),
        (3, None, "cuda:1", []),
        (3, None, "cpu", []),
    ],
)
def test_gpus_of_a_comparison(
    count: int, visible: str | None, device: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert _local._gpus(device) == expected


def test_finished_runs_are_left_aside(tmp_path: Path) -> None:
    job = Job("das, seed 0", tmp_path, {"search": ("search",), "train": ("train",)})
    assert job.left() == job.commands
    RunFolder(tmp_path / "search").write("summary.json", "{}")
    assert job.left() == {"train": ("train",)}
