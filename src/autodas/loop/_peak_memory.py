"""Peak memory of a job, measured by a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from autodas.child_process import end_with_parent, start_child
from autodas.errors import AutodasError

_STATUS = Path("/proc/self/status")


def peak_in_fresh_process(module: str, job: Mapping[str, Any], device: str, what: str) -> float | None:
    """Measure the peak memory of a job in MiB in a fresh process.

    Args:
        module: module that the process runs, which calls :func:`print_peak`.
        job: the job as plain data.
        device: device on which it computes.
        what: description of the job for messages.

    Returns:
        Peak memory, ``None`` if it is not available (on systems without ``/proc``).

    Raises:
        AutodasError: if the process fails.
    """
    if torch.device(device).type == "cpu" and not _STATUS.exists():
        return None
    # A new program, since a fork would start with our memory. -P, so that the user's working folder does not
    # shadow Python modules.
    process = start_child(
        [sys.executable, "-P", "-m", module, json.dumps({"threads": torch.get_num_threads(), **job})],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        output, complaints = (part.decode(errors="replace").strip() for part in process.communicate())
    if process.returncode != 0:
        reason = (complaints.splitlines() or [f"exit code {process.returncode}"])[-1]
        raise AutodasError(f"memory of {what} cannot be measured: {reason}")
    return float(output.splitlines()[-1])


def print_peak(measure: Callable[[dict[str, Any]], float]) -> None:
    """Measure the job of this process, and print the number as the last line of its output.

    Args:
        measure: function from the job to its peak memory in MiB.
    """
    end_with_parent()
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    try:
        print(measure(job))
    except AutodasError as error:
        sys.exit(str(error))


def peak_of(work: Callable[[], object], device: str) -> float:
    """Return the peak memory of this process during a call in MiB.

    On the CPU: its peak resident memory, minus that before. On a GPU: peak memory allocated by torch.

    Args:
        work: function, called once.
        device: device on which it computes.
    """
    if torch.device(device).type == "cpu":
        return peak_resident(work)
    work()
    return torch.cuda.max_memory_allocated(device) / 2**20


def peak_resident(work: Callable[[], object]) -> float:
    """Return the peak resident memory of the process during a call, minus that before, in MiB.

    Args:
        work: function, called once.
    """
    import_late()
    before = _resident("VmRSS")
    _forget_peak()
    work()
    return _resident("VmHWM") - before


def import_late() -> None:
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
