"""Passing of tensors to the compiled kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache

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


def places(tensors: Tensor | Sequence[Tensor]) -> Sequence[int]:
    """Return the address of each tensor, or of each part of one along its first dimension."""
    if not isinstance(tensors, Tensor):
        return [tensor.data_ptr() for tensor in tensors]
    first, step = tensors.data_ptr(), max(tensors.stride(0) * tensors.element_size(), 1)
    return range(first, first + tensors.shape[0] * step, step)


def pointers(numbers: Sequence[int]) -> object:
    """Return an array of addresses."""
    return (ctypes.c_void_p * len(numbers))(*numbers)


def addresses(tensors: Tensor | Sequence[Tensor]) -> object:
    """Return an array of the addresses of tensors; the caller must ensure their memory layout."""
    return pointers(places(tensors))


@lru_cache(maxsize=4096)
def integers(numbers: tuple[int, ...]) -> object:
    """Return an array of integers, which the kernels only read."""
    return (ctypes.c_int * len(numbers))(*numbers)


def long(number: int) -> ctypes.c_long:
    """Return an integer that may be larger than an int."""
    return ctypes.c_long(number)


def single(number: float) -> ctypes.c_float:
    """Return a number in single precision."""
    return ctypes.c_float(number)
