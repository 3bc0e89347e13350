"""What the last bits of a run depend on: it goes on exactly only where that is the same."""

from __future__ import annotations

import sys
from typing import Any

import torch

from autodas.kernels import built_kernels, triton_kernels


def what_computes(device: torch.device) -> dict[str, str]:
    """Return the version of torch, the processor's instructions, and which kernels compute.

    Args:
        device: where the run computes.
    """
    found = {"torch": str(torch.__version__), "instructions": torch.backends.cpu.get_cpu_capability()}
    if device.type == "cuda":
        found |= {"gpu": torch.cuda.get_device_name(device)}
        return {**found, "kernels": "triton" if triton_kernels() is not None else "plain"}
    built = built_kernels()
    how = f"plain ({built.how})" if built.library is None else f"compiled ({built.how})"
    return {**found, "kernels": how}


def tell_what_changed(before: Any, device: torch.device) -> None:
    """Say on standard error, in one line, what computes otherwise than before a run was stopped.

    Args:
        before: what :func:`what_computes` returned then; ``None`` in checkpoints that do not hold it.
        device: where the run computes now.
    """
    if not isinstance(before, dict):
        return
    now = what_computes(device)
    changed = [
        f"{name} {before.get(name, 'none')} before, {now.get(name, 'none')} now"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    if changed:
        print(
            "the run goes on, but its last bits may differ from those of one that was not stopped: "
            + "; ".join(changed),
            file=sys.stderr,
            flush=True,
        )
