"""Memory in use."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_STATM = Path("/proc/self/statm")


def used_memory(device: torch.device) -> int | None:
    """Return the number of bytes in use on a device; ``None`` if unknown.

    On CUDA this is the peak of the memory reserved for tensors since the last call, on a CPU the current size
    of the process. The tensors of a recorded iteration are only allocated while it is recorded.
    """
    if device.type == "cuda":
        most = torch.cuda.max_memory_reserved(device)
        torch.cuda.reset_peak_memory_stats(device)
        return most
    if device.type != "cpu" or not _STATM.exists():
        return None
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
