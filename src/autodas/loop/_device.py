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
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise AutodasError(f"there is no device '{name}'; {_choice()}") from error
    if device.type not in ("cpu", "cuda"):
        raise AutodasError(
            f"device '{name}' is not supported: networks are computed on CPUs and on GPUs with CUDA, "
            f"which have all operations and numbers in double precision; {_choice()}"
        )
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise AutodasError(f"device '{name}' is not available; {_choice()}") from error


def _choice() -> str:
    """Return which devices can be used here."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = ["cuda"] if count == 1 else [f"cuda:{number}" for number in range(count)]
    return f"here: {', '.join(['cpu', *gpus])} or auto" + ("" if gpus else " (torch finds no GPU with CUDA)")


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
