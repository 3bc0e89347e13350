"""Passing of tensors to the compiled kernels."""

from __future__ import annotations

import ctypes
from array import array
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


def whole_library_for(x: Tensor) -> ctypes.CDLL | None:
    """Return the compiled kernels, if they support this tensor in calls that do the work of several kernels.

    Without data those would not make the allocations of the single ones.
    """
    return None if x.is_meta else library_for(x)


_ADDRESS = "Q" if ctypes.sizeof(ctypes.c_void_p) == 8 else "I"


def address(tensor: Tensor | None) -> int | None:
    """Return the address of a tensor, null for none."""
    if tensor is None:
        return None
    assert tensor.is_contiguous()
    return tensor.data_ptr()


def places(tensors: Tensor | Sequence[Tensor]) -> Sequence[int]:
    """Return the address of each tensor, or of each part of one along its first dimension."""
    if not isinstance(tensors, Tensor):
        return [tensor.data_ptr() for tensor in tensors]
    first, step = tensors.data_ptr(), max(tensors.stride(0) * tensors.element_size(), 1)
    return range(first, first + tensors.shape[0] * step, step)


def pointers(numbers: Sequence[int]) -> bytes:
    """Return an array of addresses: as bytes, which ctypes makes and passes faster than its arrays."""
    return array(_ADDRESS, numbers).tobytes()


def addresses(tensors: Tensor | Sequence[Tensor]) -> bytes:
    """Return an array of the addresses of tensors; the caller must ensure their memory layout."""
    return pointers(places(tensors))


@lru_cache(maxsize=4096)
def integers(numbers: tuple[int, ...]) -> bytes:
    """Return an array of integers."""
    return array("i", numbers).tobytes()
