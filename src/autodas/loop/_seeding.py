"""Seeds, states of random generators, threads."""

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

    The number of threads is included because sums are split among threads, so that it affects the last bits.
    """
    state: dict[str, Any] = {"cpu": torch.get_rng_state(), "threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def checked_random_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of :func:`random_state` if it is valid.

    Raises:
        RuntimeError: if it is invalid.
        TypeError: likewise.
    """
    torch.Generator().set_state(state["cpu"])
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore the state of :func:`random_state`."""
    torch.set_rng_state(state["cpu"])
    torch.set_num_threads(state["threads"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def use_deterministic(enabled: bool) -> None:
    """Make torch use deterministic kernels where they exist."""
    if enabled:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False


def use_single_precision() -> None:
    """Disable TF32 on GPUs: by default convolutions in single precision are rounded to its 10 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
