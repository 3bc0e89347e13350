"""Devices, memory and connection of the processes of a run."""

from __future__ import annotations

import atexit
import os
from datetime import timedelta

import torch
import torch.distributed

from autodas.errors import AutodasError
from autodas.launched import number_here, process_count, processes_here, restarts
from autodas.loop._available_memory import available_memory
from autodas.loop._group import ALONE, Group, Several

SILENCE = timedelta(minutes=10)
"""Longest wait for another process in a gradient step, and at the start."""


def own_device(name: str) -> str:
    """Return the name of the device of this process: each process of a machine has a GPU of its own.

    Args:
        name: device that the user names for all processes.

    Raises:
        AutodasError: if the machine has fewer GPUs than processes, or the name is that of a single GPU.
    """
    here = processes_here()
    if process_count() == 1 or name == "cpu" or not torch.cuda.is_available():
        return name
    if name not in ("auto", "cuda"):
        raise AutodasError(
            f"device '{name}' is one GPU for {process_count()} processes: use `compute.device=cuda`, with "
            "which each process takes a GPU of its own"
        )
    count = torch.cuda.device_count()
    if here > count:
        raise AutodasError(
            f"{here} processes have been started on this machine, which has {count} GPUs: start at most as "
            "many, or set `compute.device=cpu`"
        )
    return f"cuda:{number_here()}"


def free_memory(device: torch.device) -> int | None:
    """Return the number of bytes that each process of this machine may allocate; ``None`` if unknown.

    Args:
        device: device of this process. The processes of a machine share the memory of its CPUs.
    """
    available = available_memory(device)
    return available if available is None or device.type == "cuda" else available // processes_here()


def start_group(device: torch.device) -> Group:
    """Connect the processes of a run, and return their group: a single process without a launcher.

    Args:
        device: device of this process. Gradients are exchanged by NCCL between GPUs, by gloo between CPUs.

    Raises:
        AutodasError: if torch lacks what is needed, or the processes cannot connect.
    """
    if process_count() == 1:
        return ALONE
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        raise AutodasError("this torch cannot connect several processes (it has no gloo): start a single one")
    gpu = device.type == "cuda"
    if gpu and not torch.distributed.is_nccl_available():
        raise AutodasError(
            "this torch cannot exchange gradients between GPUs (it has no NCCL): start a single process, or "
            "set `compute.device=cpu`"
        )
    if not torch.distributed.is_initialized():
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        try:
            store, rank, size = next(rendezvous("env://", timeout=SILENCE))
            torch.distributed.init_process_group(
                "cpu:gloo,cuda:nccl" if gpu else "gloo",
                # The launcher's store survives a restart, with the addresses of processes that have died.
                store=PrefixStore(f"start {restarts()}", store),
                rank=rank,
                world_size=size,
                timeout=SILENCE,
            )
        except (RuntimeError, ValueError) as error:
            place = ":".join(os.environ[name] for name in ("MASTER_ADDR", "MASTER_PORT"))
            cause = str(error).splitlines()[0][:200]
            raise AutodasError(
                f"the {process_count()} processes of this run cannot connect at {place} ({cause}): a port in "
                "use? Choose another one with the option master-port of torchrun"
            ) from error
        # A process that ends with its connections open is aborted now and then.
        atexit.register(_leave)
    return Several()


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
