"""Peak memory of a search iteration, measured in a separate process.

``python -m autodas.bench.memory JOB`` is that process; the last line of its output is the number.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from autodas.bench._iteration import check_engines, make_iteration
from autodas.bench._setting import BenchSetting
from autodas.child_process import end_with_parent, start_child
from autodas.errors import AutodasError

_STATUS = Path("/proc/self/status")
_ITERATIONS = 2  # in the second one, momentum and the gradients of the first are allocated


def peak_memory(engine: str, setting: BenchSetting) -> float | None:
    """Measure the peak memory of two search iterations in MiB.

    On the CPU: peak resident memory of a fresh process while it builds the supernet and searches, minus its
    memory after all imports. On a GPU: peak memory allocated by torch.

    Args:
        engine: as for :func:`~autodas.bench._iteration.make_iteration`.
        setting: setting of the benchmark.

    Returns:
        Peak memory, ``None`` if it is not available (on systems without ``/proc``).

    Raises:
        AutodasError: if the process fails.
    """
    if torch.device(setting.device).type == "cpu" and not _STATUS.exists():
        return None
    job = {
        "engine": engine,
        "threads": torch.get_num_threads(),
        "setting": {**setting.keywords(), "graphs": setting.graphs},
    }
    # A new program, since a fork would start with our memory. -P, so that the user's working folder does not
    # shadow Python modules.
    process = start_child(
        [sys.executable, "-P", "-m", __name__, json.dumps(job)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        output, complaints = (part.decode(errors="replace").strip() for part in process.communicate())
    if process.returncode != 0:
        reason = (complaints.splitlines() or [f"exit code {process.returncode}"])[-1]
        raise AutodasError(f"memory of engine '{engine}' cannot be measured: {reason}")
    return float(output.splitlines()[-1])


def _measure(engine: str, setting: BenchSetting) -> float:
    check_engines([engine])  # imports the user's module before the measurement

    def search() -> None:
        iteration = make_iteration(engine, setting)
        for _ in range(_ITERATIONS):
            iteration()

    if torch.device(setting.device).type == "cpu":
        return peak_resident(search)
    search()
    return torch.cuda.max_memory_allocated(setting.device) / 2**20


def peak_resident(work: Callable[[], object]) -> float:
    """Return the peak resident memory of the process during a call, minus that before, in MiB.

    Args:
        work: function, called once.
    """
    _import_late()
    before = _resident("VmRSS")
    _forget_peak()
    work()
    return _resident("VmHWM") - before


def _import_late() -> None:
    """Take an optimiser step, since torch imports 70 MiB of modules with the first one."""
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.SGD([weight]).step()


def _resident(line: str) -> float:
    """Return a line of the process status in MiB: ``VmRSS`` is resident memory, ``VmHWM`` its peak."""
    for text in _STATUS.read_text().splitlines():
        if text.startswith(f"{line}:"):
            return int(text.split()[1]) / 1024
    raise AutodasError(f"{_STATUS} has no line {line}")


def _forget_peak() -> None:
    """Reset ``VmHWM`` if the system allows it; otherwise the peak includes that of the imports."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _main() -> None:
    end_with_parent()
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    try:
        print(_measure(job["engine"], BenchSetting.from_keywords(job["setting"])))
    except AutodasError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main()
