"""Launching of Triton programs over maps that are divided into tiles of pixels and channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from autodas.kernels._constants import constant
from autodas.kernels._maps import Maps

TILE = 2048
"""Number of entries that a program computes at once, pixels times channels."""

FEW = 16384
"""Number of pixels below which tiles are smaller, so that all processors of a GPU have programs."""

BLOCKS = 16
"""Number of tiles that a program sums up, in sums over pixels."""

COUNTS = ["count", "outputs", "parts", "pixels", "rows", "size", "slots", "terms"]
"""Arguments for whose values (1, or divisible by 16) Triton compiles no versions of their own: they change
with every decision, and addresses are multiples of the channels anyway."""

Grid = tuple[int, int, int]


class Launch(NamedTuple):
    """A program that would be launched.

    Attributes:
        name: name of its kernel.
        bytes: size of what it reads and writes.
    """

    name: str
    bytes: int


_noted: ContextVar[list[Launch] | None] = ContextVar("noted", default=None)


@contextmanager
def noted_launches() -> Iterator[list[Launch]]:
    """Collect the launches with tensors without data in this context."""
    launches: list[Launch] = []
    before = _noted.set(launches)
    try:
        yield launches
    finally:
        _noted.reset(before)


def launch(kernel: Any, grid: Grid, *arguments: Any, picked: Maps | None = None, **constants: Any) -> None:
    """Launch a kernel on the device of its first argument; with tensors without data only note it.

    Args:
        kernel: the kernel.
        grid: number of programs.
        arguments: its arguments.
        picked: maps of which it reads some, if their stacks are among the arguments.
        constants: its constants.
    """
    first: Tensor = arguments[0]
    if first.is_meta:
        if (noted := _noted.get()) is not None:
            noted.append(Launch(kernel.__name__, _bytes(arguments, picked)))
        return
    # Triton launches on the current device.
    with torch.cuda.device_of(first):
        kernel[grid](*arguments, **constants)


def _bytes(arguments: Sequence[Any], picked: Maps | None) -> int:
    """Return the size of what a kernel reads and writes, each of it once."""
    tensors = {id(a): a for a in arguments if isinstance(a, Tensor)}
    if picked is None:
        return sum(_size(tensor) for tensor in tensors.values())
    stacks = [stack for stack in (picked.one, picked.other) if len(stack)]
    apart = {id(stack) for stack in stacks}
    rest = sum(_size(tensor) for key, tensor in tensors.items() if key not in apart)
    return rest + len(set(picked.index)) * _size(stacks[0][0])


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


class Tiles:
    """Tiles of a map of shape (pixels, channels).

    Args:
        pixels, channels: size of the map.
        least: least number of pixels and of channels of a tile.
    """

    def __init__(self, pixels: int, channels: int, least: int = 1) -> None:
        self.channels = max(least, min(64, triton.next_power_of_2(channels)))
        self.pixels = max(least, (TILE if pixels >= FEW else TILE // 4) // self.channels)
        self.blocks = BLOCKS
        self.along_pixels = triton.cdiv(pixels, self.pixels)
        self.along_channels = triton.cdiv(channels, self.channels)
        self.parts = triton.cdiv(self.along_pixels, self.blocks)

    def constants(self, **more: Any) -> dict[str, Any]:
        """Return the constants of a kernel."""
        return {"PIXELS": self.pixels, "CHANNELS": self.channels, **more}


def addresses(tensors: Sequence[Tensor]) -> Tensor:
    """Return the addresses of tensors as a tensor beside them; the caller must keep them alive."""
    return constant(tuple(tensor.data_ptr() for tensor in tensors), tensors[0].device)


def numbers(values: tuple[int, ...], like: Tensor) -> Tensor:
    """Return integers as a tensor beside another one; at least one, since a program is given addresses."""
    return constant(values or (0,), like.device, torch.int32)
