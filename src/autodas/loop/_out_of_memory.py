"""Memory that runs out, in words for users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from autodas.errors import AutodasError


@contextmanager
def explain_out_of_memory(advice: Callable[[], str]) -> Iterator[None]:
    """Turn every error that means that memory has run out into one that says what to do.

    Args:
        advice: called only then.

    Raises:
        AutodasError: instead.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise AutodasError(f"memory has run out; {advice()}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory has run out, on a CPU or on an accelerator."""
    # On CPUs torch raises a plain RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
