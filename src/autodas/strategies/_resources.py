"""What candidates cost: parameters, multiply-adds, memory access."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autodas.networks import CellStack
from autodas.operations import SEARCH_NORMS, build
from autodas.spaces import CellSlot, Space


class Cost(NamedTuple):
    """Cost of one candidate on one picture.

    Attributes:
        parameters: weights of its convolutions.
        multiply_adds: of its convolutions; of a pool one for each entry of each window.
        memory_access: entries that its convolutions and pools read and write, weights included.
    """

    parameters: int
    multiply_adds: int
    memory_access: int


@cache
def operation_cost(name: str, channels: int, stride: tuple[int, ...], size: tuple[int, ...]) -> Cost:
    """Return what an operation costs; nothing is computed.

    Args:
        name: a registered name.
        channels: of its input and output.
        stride: along each dimension.
        size: of the map that it reads.
    """
    layers: list[Cost] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        window = getattr(module, "kernel_size", ())
        each = prod(window) if isinstance(window, tuple) else window ** len(size)
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            weights, each = module.weight.numel(), each * (module.in_channels // module.groups)
        else:
            weights = 0
        layers.append(Cost(weights, each * output.numel(), inputs[0].numel() + output.numel() + weights))

    with torch.device("meta"), torch.no_grad():
        operation = build(name, channels, stride, SEARCH_NORMS).eval()
        for module in operation.modules():
            if isinstance(module, COUNTED):
                module.register_forward_hook(count)
        operation(torch.empty(1, channels, *size))
    return Cost(*(sum(layer[i] for layer in layers) for i in range(3)))


COUNTED = (nn.Conv2d, nn.Conv3d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d)


def slot_costs(space: Space) -> list[tuple[CellSlot, list[list[Cost]]]]:
    """Return the costs of all candidates of all cells, edges x operations for each cell.

    Pictures are as large as the skeleton was made for.

    Args:
        space: with the size of its skeleton.
    """
    found = []
    size = _size_after_stem(space)
    for slot in space.skeleton.slots():
        smaller = tuple(-(-length // step) for length, step in zip(size, slot.stride, strict=True))
        if slot.block:  # nothing is searched there
            size = smaller
            continue
        rows = []
        for predecessor, _ in space.cell.edges:
            inside = predecessor >= space.cell.inputs
            stride, map_size = ((1,) * len(size), smaller) if inside else (slot.stride, size)
            rows.append([operation_cost(o, slot.width, stride, map_size) for o in space.cell.operations])
        found.append((slot, rows))
        size = smaller
    return found


def mean_by_kind(space: Space, costs: Sequence[tuple[CellSlot, list[list[float]]]]) -> dict[str, Tensor]:
    """Return numbers of all candidates, edges x operations, as the mean over the cells of each kind."""
    return {
        kind: torch.tensor([rows for slot, rows in costs if slot.kind == kind]).mean(0)
        for kind in space.kinds
    }


def _size_after_stem(space: Space) -> tuple[int, ...]:
    skeleton = space.skeleton
    with torch.device("meta"), torch.no_grad():
        stack = CellStack(skeleton, _NoCell, classes=1, channels=3).eval()
        _, first = stack.stem(torch.empty(1, 3, *(skeleton.image_size,) * skeleton.dimensions))
    return tuple(first.shape[2:])


class _NoCell(nn.Module):
    """What a skeleton without cells is made of."""

    def __init__(self, slot: CellSlot, inputs: object) -> None:
        super().__init__()
        self.outputs = slot.width
