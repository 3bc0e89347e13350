"""Processors that a process may use, from files like those of Linux. Memory: ``loop/``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autodas import machine_limits
from autodas.machine_limits import processors


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"proc/self/cgroup": "0::/pod/one\n", "cgroup/pod/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/pod\n", "cgroup/pod/cpu.max": "max 100000\n"}, 64),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "cgroup/a/b/cpu.max": "400000 100000\n",
                "cgroup/a/cpu.max": "50000 100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "3:memory:/x\n2:cpu,cpuacct:/x\n",
                "cgroup/cpu/x/cpu.cfs_quota_us": "200000\n",
                "cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu:/\n",
                "cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            64,
        ),
        ({}, 64),
    ],
)
def test_processors(
    texts: dict[str, str], expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_limits, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(machine_limits, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors() == expected
