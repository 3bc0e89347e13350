"""Machine and software that results depend on."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from autodas._version import __version__
from autodas.loop._computed import what_computes
from autodas.loop._group import Group
from autodas.runs.folder import ENVIRONMENT, RunFolder


def write_environment(
    folder: RunFolder, device: torch.device | None = None, processes: Mapping[str, Any] | None = None
) -> None:
    """Write the machine and the software versions of a run.

    Args:
        folder: the run folder.
        device: device on which the run computes; ``None`` if it does not compute itself.
        processes: what :func:`process_facts` returns.
    """
    computing = {} if device is None else what_computes(device)
    folder.write_json(ENVIRONMENT, environment() | computing | dict(processes or {}))


def process_facts(group: Group, device: torch.device) -> dict[str, Any]:
    """Return the number of processes of a run and the device of each; nothing for a single process.

    Args:
        group: the processes, all of which call this.
        device: device of this process.
    """
    if group.size == 1:
        return {}
    return {"processes": group.size, "devices": group.gather(f"{platform.node()} {device}")}


def environment() -> dict[str, Any]:
    """Return the facts about machine and software that results depend on."""
    facts: dict[str, Any] = {
        "autodas": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": [*_program(), *sys.argv[1:]],
    }
    if torch.cuda.is_available():
        facts["cuda"] = torch.version.cuda
        facts["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return facts


def _program() -> list[str]:
    """Return how this program was started: by its name, or as a module."""
    name = Path(sys.argv[0]).name
    return ["python", "-m", "autodas"] if name == "__main__.py" else [name]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
