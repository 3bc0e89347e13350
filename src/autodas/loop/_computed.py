"""Software and hardware that the last bits of a run depend on: exact resuming needs the same."""

from __future__ import annotations

import sys
from typing import Any

import torch

from autodas.kernels import built_kernels, gpu_kernels


def what_computes(device: torch.device) -> dict[str, str]:
    """Return the version of torch, the processor's instruction set, and the kernels in use.

    Args:
        device: device on which the run computes.
    """
    facts = {"torch": str(torch.__version__), "instructions": torch.backends.cpu.get_cpu_capability()}
    if device.type == "cuda":
        facts |= {"gpu": torch.cuda.get_device_name(device)}
        return {**facts, "kernels": "plain" if gpu_kernels(device).module is None else "triton"}
    built = built_kernels()
    how = f"plain ({built.how})" if built.library is None else f"compiled ({built.how})"
    return {**facts, "kernels": how}


def tell_what_changed(before: Any, device: torch.device, processes: int = 1) -> None:
    """Report on standard error, in one line, changes of what computes a run since it was stopped.

    Args:
        before: the result of :func:`what_computes` at that time, with the number of processes; ``None`` in
            checkpoints that do not hold it.
        device: device on which the run computes now.
        processes: number of processes that compute it now.
    """
    if not isinstance(before, dict):
        return
    before, now = {"processes": "1", **before}, {**what_computes(device), "processes": str(processes)}
    changed = [
        f"{name} {before.get(name, 'none')} before, {now.get(name, 'none')} now"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    if changed:
        print(
            "the run resumes, but its last bits may differ from those of an uninterrupted run: "
            + "; ".join(changed),
            file=sys.stderr,
            flush=True,
        )
