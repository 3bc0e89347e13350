"""Error messages for running out of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from autodas.errors import AutodasError


@contextmanager
def explain_out_of_memory(advice: Callable[[], str]) -> Iterator[None]:
    """Turn errors that mean running out of memory into an error that gives advice.

    Args:
        advice: function that returns the advice; called only on such an error.

    Raises:
        AutodasError: on such an error.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise AutodasError(f"memory has run out; {advice()}") from error


_WORDS = (
    "can't allocate memory",
    "cuda error: out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    # All algorithms of a convolution may need more memory than there is.
    "unable to find an engine to execute this computation",
)
"""Words, in lower case, of errors of torch on CPUs, of CUDA, and of its libraries that have no type."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means running out of memory, on a CPU or a GPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)
    )
