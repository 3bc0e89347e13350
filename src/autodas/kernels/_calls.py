"""Passing of tensors to the compiled kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from autodas.kernels._build import compiled_library
from autodas.kernels._rehearsal import rehearsed_library


def library_for(x: Tensor) -> ctypes.CDLL | None:
    """Return the compiled kernels, if they support this channels-last tensor."""
    if x.dtype != torch.float32 or x.shape[-1] % 2:
        return None
    if x.is_meta:
        return rehearsed_library()
    return compiled_library() if x.device.type == "cpu" else None


def address(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return the address of a tensor, null for none."""
    if tensor is None:
        return ctypes.c_void_p(None)
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())


def addresses(tensors: Sequence[Tensor]) -> object:
    """Return an array of the addresses of tensors; the caller must ensure their memory layout."""
    return (ctypes.c_void_p * len(tensors))(*[t.data_ptr() for t in tensors])


def integers(numbers: Sequence[int]) -> object:
    """Return an array of integers."""
    return (ctypes.c_int * len(numbers))(*numbers)


def long(number: int) -> ctypes.c_long:
    """Return an integer that may be larger than an int."""
    return ctypes.c_long(number)
