"""Seeds, the state of random generators, threads."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """Return the state of torch's generators and the number of threads.

    The number of threads belongs to it: sums are split among threads, so it changes the last bits.
    """
    state: dict[str, Any] = {"cpu": torch.get_rng_state(), "threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def checked_random_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of :func:`random_state`, if it is one.

    Raises:
        RuntimeError: if not.
        TypeError: likewise.
    """
    torch.Generator().set_state(state["cpu"])
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Take over the state of :func:`random_state`."""
    torch.set_rng_state(state["cpu"])
    torch.set_num_threads(state["threads"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def use_deterministic(enabled: bool) -> None:
    """Ask torch for kernels that give the same bits every time, where they exist."""
    if enabled:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False


def use_single_precision() -> None:
    """Let GPUs compute single precision as such: by default convolutions are rounded to TF32, 10 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
