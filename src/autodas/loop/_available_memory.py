"""Available memory."""

from __future__ import annotations

import torch

from autodas.machine_limits import memory_left


def available_memory(device: torch.device) -> int | None:
    """Return the number of bytes that a process may still allocate on a device; ``None`` if unknown.

    On a CPU see :func:`~autodas.machine_limits.memory_left`.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return memory_left() if device.type == "cpu" else None
