"""How much memory is taken."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_STATM = Path("/proc/self/statm")


def used_memory(device: torch.device) -> int | None:
    """Return the bytes that are taken on a device; ``None`` where nobody tells.

    On CUDA it is the most that tensors have taken since the last call, on a CPU what the process holds now.
    """
    if device.type == "cuda":
        most = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return most
    if device.type != "cpu" or not _STATM.exists():
        return None
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
