"""Devices by name."""

from __future__ import annotations

import torch

from autodas.errors import AutodasError
from autodas.settings import Precision


def best_device(name: str) -> torch.device:
    """Return the device for a name, a GPU with its number; ``auto`` takes a GPU if one is available.

    Raises:
        AutodasError: if the name is unknown, or the device is not available or not supported.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    refusal = AutodasError(f"device '{name}' is not available; use cpu, cuda or auto")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise AutodasError(
                f"device '{name}' is not supported: networks are computed on CPUs and on GPUs with CUDA, "
                "which have all operations and numbers in double precision; use cpu, cuda or auto"
            )
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise refusal from error


def check_precision(device: torch.device, precision: Precision) -> None:
    """Check that a device computes in a precision.

    Raises:
        AutodasError: if it does not.
    """
    if precision == "bf16" and device.type == "cuda":
        with torch.cuda.device(device):
            able = torch.cuda.is_bf16_supported(including_emulation=False)
        if not able:
            raise AutodasError(
                f"{torch.cuda.get_device_name(device)} does not compute in bf16: set `compute.precision=fp32`"
            )
