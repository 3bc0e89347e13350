"""Seeds, states of random generators, threads."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import torch

from autodas.loop._own_state import OTHERS


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of torch's generators and the number of threads.

    The number of threads is included because sums are split among threads, so that it affects the last bits.

    Args:
        device: device on which the run computes.
    """
    state: dict[str, Any] = {"cpu": torch.get_rng_state(), "threads": torch.get_num_threads()}
    if device.type == "cuda":
        state["cuda"] = [torch.cuda.get_rng_state(device)]
    return state


def seed_process(seed: int, rank: int) -> None:
    """Let the generators of torch draw other numbers in each process than in the first.

    Args:
        seed: seed of the run.
        rank: number of the process; 0 changes nothing.
    """
    if rank > 0:
        torch.manual_seed(_mixed(seed, rank))


def random_state_of(state: dict[str, Any], rank: int) -> dict[str, Any]:
    """Return the state of a process's generators in a checkpoint, that of a new one if it was not there yet.

    Args:
        state: state of a checkpoint.
        rank: number of the process.
    """
    known: list[dict[str, Any]] = [state["random"], *(other["random"] for other in state.get(OTHERS, ()))]
    if rank < len(known):
        return known[rank]
    seed = int(state["random"]["cpu"].sum())
    return {
        "cpu": torch.Generator().manual_seed(_mixed(seed, rank)).get_state(),
        "threads": state["random"]["threads"],
    }


def _mixed(seed: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, rank)).generate_state(1, np.uint64)[0]) >> 1


def checked_random_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of :func:`random_state` if it is valid.

    Raises:
        RuntimeError: if it is invalid.
        TypeError: likewise.
    """
    torch.Generator().set_state(state["cpu"])
    return state


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Restore the state of :func:`random_state`.

    Args:
        state: the state.
        device: device on which the run computes now, which may be another one.
    """
    torch.set_rng_state(state["cpu"])
    torch.set_num_threads(state["threads"])
    if state.get("cuda") and device.type == "cuda":
        states = state["cuda"]
        # Checkpoints of version 0.1 have the states of all GPUs of the machine.
        torch.cuda.set_rng_state(states[min(device.index or 0, len(states) - 1)], device)


def use_deterministic(enabled: bool) -> None:
    """Make torch use deterministic kernels where they exist."""
    if enabled:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False


def use_single_precision() -> None:
    """Let GPUs compute products in single precision, and sums of products in bf16, too.

    By default convolutions are rounded to the 10 bits of TF32, and parts of sums in bf16 to 8 bits.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
