"""Which kernels for GPUs there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from autodas.kernels._stencils import Stencil


@cache
def triton_kernels() -> ModuleType | None:
    """Return the Triton kernels; ``None`` where Triton is missing, or with ``AUTODAS_KERNELS=plain``."""
    if os.environ.get("AUTODAS_KERNELS") == "plain":
        return None
    try:
        from autodas.kernels import _triton
    except ImportError:
        return None
    return _triton


def triton_form(x: Tensor, stencils: Sequence[Stencil], stride: Sequence[int]) -> ModuleType | None:
    """Return the Triton kernels, if they can compute these stencils: on GPUs, in planes, in fp32 or bf16.

    Args:
        x: what the stencils read.
        stencils: what is computed.
        stride: along each dimension of the map.
    """
    fits = (
        x.is_cuda
        and x.dtype in (torch.float32, torch.bfloat16)
        and tuple(stride) in ((1, 1), (2, 2))
        and all(s.weight.shape[-1] == s.weight.shape[-2] and s.weight.shape[-1] % 2 for s in stencils)
    )
    return triton_kernels() if fits else None
