"""How tensors are handed to the compiled kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from autodas.kernels._build import compiled_library


def library_for(x: Tensor) -> ctypes.CDLL | None:
    """Return the compiled kernels, if they can compute with this channels-last tensor."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and x.shape[-1] % 2 == 0:
        return compiled_library()
    return None


def address(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return where a tensor lies, null for none."""
    if tensor is None:
        return ctypes.c_void_p(None)
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())


def addresses(tensors: Sequence[Tensor]) -> object:
    """Return an array of where tensors begin; the caller sees to it that they lie as they should."""
    return (ctypes.c_void_p * len(tensors))(*[t.data_ptr() for t in tensors])


def integers(numbers: Sequence[int]) -> object:
    """Return an array of numbers."""
    return (ctypes.c_int * len(numbers))(*numbers)


def long(number: int) -> ctypes.c_long:
    """Return a number that may be larger than an int."""
    return ctypes.c_long(number)
