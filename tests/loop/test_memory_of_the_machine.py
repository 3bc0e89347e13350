"""How much memory there is, from files like those of Linux; and errors that mean that there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autodas import machine_limits as module
from autodas.errors import AutodasError
from autodas.loop import available_memory, explain_out_of_memory, is_out_of_memory

CPU = torch.device("cpu")
GIB = 2**30
WriteFiles = Callable[[dict[str, str]], None]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteFiles:
    monkeypatch.setattr(module, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(module, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(module, "_address_space", lambda: ())

    def write(texts: dict[str, str]) -> None:
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    write({"proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n"})
    return write


def test_of_the_system(files: WriteFiles) -> None:
    assert available_memory(CPU) == 8 * GIB


def test_of_a_container(files: WriteFiles) -> None:
    files(
        {
            "proc/self/cgroup": "0::/pod/one\n",
            "cgroup/pod/one/memory.max": "max\n",
            "cgroup/pod/memory.max": f"{4 * GIB}\n",
            "cgroup/pod/memory.current": f"{3 * GIB}\n",
            # Files that were read and can be read again are no hindrance.
            "cgroup/pod/memory.stat": f"anon 5\ninactive_file {2 * GIB}\n",
        }
    )
    assert available_memory(CPU) == 3 * GIB


def test_of_a_container_of_the_older_kind(files: WriteFiles) -> None:
    files(
        {
            "proc/self/cgroup": "5:cpu:/\n4:memory,hugetlb:/docker/x\n",
            "cgroup/memory/docker/x/memory.limit_in_bytes": f"{2 * GIB}\n",
            "cgroup/memory/docker/x/memory.usage_in_bytes": f"{GIB}\n",
            "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
        }
    )
    assert available_memory(CPU) == GIB


def test_where_nobody_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROC", tmp_path)
    assert available_memory(CPU) is None
    assert available_memory(torch.device("meta")) is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="the system does not tell")
def test_of_this_machine() -> None:
    free = available_memory(CPU)
    total = int(re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[1])
    assert 0 < free <= 1024 * total


def test_errors_of_torch() -> None:
    explained = pytest.raises(AutodasError, match="memory has run out; buy more")
    with explained as caught, explain_out_of_memory(lambda: "buy more"):
        torch.empty(2**60, dtype=torch.uint8)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="size of tensor"), explain_out_of_memory(lambda: "never asked"):
        torch.ones(2) + torch.ones(3)
    with explain_out_of_memory(lambda: "never asked"):
        pass
