"""Devices by name."""

from __future__ import annotations

import torch

from autodas.errors import AutodasError


def best_device(name: str) -> torch.device:
    """Return the device for a name; ``auto`` takes a GPU if one is available.

    Raises:
        AutodasError: if the name is unknown or the device is not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    refusal = AutodasError(f"device '{name}' is not available; use cpu, cuda or auto")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise refusal from error
    if device.type == "meta":
        raise refusal
    return device
