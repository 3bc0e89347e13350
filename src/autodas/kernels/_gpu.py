"""The Triton kernels, tried once on each GPU: they need a C compiler, Python's headers, and a recent GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._rehearsal import rehearsed_gpu
from autodas.kernels._stencil import Stencil


@dataclass(frozen=True)
class GpuKernels:
    """Result of trying the kernels for GPUs.

    Attributes:
        module: the kernels; ``None`` if the plain forms compute.
        how: ``"triton"``, or the reason why they do not work.
        chosen: whether this is the user's choice.
        new: whether the trial had to be compiled: then the others will have to be, too.
    """

    module: ModuleType | None
    how: str
    chosen: bool = False
    new: bool = False


def gpu_form(x: Tensor) -> ModuleType | None:
    """Return the kernels for GPUs if they work and support a tensor: one on a GPU, in fp32 or bf16."""
    if x.dtype not in (torch.float32, torch.bfloat16):
        return None
    if x.is_meta:
        return rehearsed_gpu()
    return gpu_kernels(x.device).module if x.is_cuda else None


def expected_gpu_kernels() -> ModuleType | None:
    """Return the kernels that would compute on the GPU if there were one; ``None`` without Triton."""
    if torch.cuda.is_available():
        return gpu_kernels(torch.device("cuda", torch.cuda.current_device())).module
    try:
        from autodas.kernels import gpu
    except ImportError:
        return None
    return gpu


@cache
def gpu_kernels(device: torch.device) -> GpuKernels:
    """Return the kernels that work on a GPU, or the reason why they do not.

    ``AUTODAS_KERNELS=plain`` disables them.

    Args:
        device: a CUDA device, with its index.
    """
    if os.environ.get("AUTODAS_KERNELS") == "plain":
        return GpuKernels(None, "AUTODAS_KERNELS=plain", chosen=True)
    try:
        from autodas.kernels import gpu

        with torch.cuda.device(device), _compilations() as compiled:
            _try(gpu, device)
    except torch.OutOfMemoryError:
        raise
    # Triton calls compilers and drivers, whose errors are of many types.
    except Exception as error:
        return GpuKernels(None, _in_a_line(error))
    return GpuKernels(gpu, "triton", new=bool(compiled))


def _try(kernels: ModuleType, device: torch.device) -> None:
    """Compute a small convolution.

    Raises:
        RuntimeError: if the result is wrong. Other errors if it cannot be computed.
    """
    x = torch.linspace(-1, 1, 4 * 4 * 4 * 2, device=device).view(4, 4, 4, 2)
    weight = torch.linspace(-1, 1, 2 * 3 * 3, device=device).view(2, 1, 3, 3)
    found = kernels.stencils_forward(x, [Stencil(weight, 1)], (1, 1))[0]
    expected = F.conv2d(x.relu().movedim(-1, 1), weight, padding=1, groups=2).movedim(1, -1)
    if not torch.allclose(found, expected, atol=0.01):
        raise RuntimeError("their results are wrong")


@contextmanager
def _compilations() -> Iterator[list[Any]]:
    """Collect what Triton compiles in this context because it is not in its cache."""
    from triton import knobs

    compiled: list[Any] = []

    def listen(*, src: Any, cache_hit: bool, **more: Any) -> None:
        if not cache_hit:
            compiled.append(src)

    with knobs.compilation.scope():
        knobs.compilation.listener = listen
        yield compiled


def _in_a_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
