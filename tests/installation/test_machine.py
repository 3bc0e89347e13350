"""What is said of the machine, where something is missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from autodas import machine_limits
from autodas.installation import Finding, _machine
from autodas.installation._machine import caches, computing_limits, folders, shared_memory

GIB = 2**30


def one(findings: object) -> Finding:
    (finding,) = findings  # type: ignore[misc]
    return finding


def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(_machine, "_SHARED", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(total=64 * 2**20))
    found = one(shared_memory())
    assert (found.state, found.found) == ("limited", f"64 MiB in {tmp_path}")
    assert found.remedy == "docker run --shm-size=1g"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(total=8 * GIB))
    assert one(shared_memory()) == Finding("shared memory", "ok", f"8.0 GiB in {tmp_path}")
    monkeypatch.setattr(_machine, "_SHARED", tmp_path / "none")
    monkeypatch.setattr("sys.platform", "linux")
    assert one(shared_memory()).found == f"there is no {tmp_path / 'none'}"


def test_a_container_with_less_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_limits, "_PROC", tmp_path)
    monkeypatch.setattr(machine_limits, "_GROUPS", tmp_path)
    monkeypatch.setattr(machine_limits, "_address_space", lambda: ())
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (tmp_path / "meminfo").write_text("MemAvailable: 67108864 kB\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/\n")
    assert [finding.state for finding in computing_limits()] == ["ok", "ok"]
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB // 2}\n")
    cores, memory = computing_limits()
    assert cores.found == "2.5 of 64 can be used"
    assert cores.remedy == "--compute.threads 2"
    assert (memory.state, memory.found) == ("limited", "512 MiB left")


def test_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTODAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache/frames/deep").mkdir(parents=True)
    (tmp_path / "cache/frames/deep/store").write_bytes(bytes(3 * 2**20))
    assert f"{tmp_path / 'cache'}, frames 3 MiB, " in one(caches()).found
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTODAS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    found = one(caches())
    assert (found.state, found.found) == ("limited", "no folder is writable")
    assert found.remedy == "set AUTODAS_CACHE to a writable folder"


def test_little_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5 * 2**20))
    found = one(folders())
    assert (found.state, found.found) == ("limited", f"{tmp_path}, 5 MiB free")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o500)
    assert one(folders()).remedy == "--run elsewhere"
