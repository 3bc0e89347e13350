"""Cost of candidates: parameters, multiply-adds, memory access."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autodas.networks import CellStack, count_parameters
from autodas.operations import SEARCH_NORMS, Norms, build
from autodas.spaces import Alive, CellSlot, CellSpace, Skeleton, Space, all_alive


class Cost(NamedTuple):
    """Cost of one candidate for one sample.

    Attributes:
        parameters: parameters of its convolutions, and of its normalisation if that has any.
        multiply_adds: multiply-adds of its convolutions; for a pool one for each entry of each window.
        memory_access: number of entries that its convolutions and pools read and write, including weights.
    """

    parameters: int
    multiply_adds: int
    memory_access: int


@cache
def operation_cost(
    name: str,
    channels: int,
    stride: tuple[int, ...],
    size: tuple[int, ...],
    norms: Norms = SEARCH_NORMS,
    pools: bool = True,
) -> Cost:
    """Return the cost of an operation, without computing it.

    Args:
        name: a registered name.
        channels: number of channels of its input and output.
        stride: stride along each dimension.
        size: size of its input map.
        norms: how its layers are normalised.
        pools: whether pools count, besides convolutions.
    """
    counted = (nn.Conv2d, nn.Conv3d, *(POOLS if pools else ()))
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
        operation = build(name, channels, stride, norms).eval()
        for module in operation.modules():
            if isinstance(module, counted):
                module.register_forward_hook(count)
        operation(torch.empty(1, channels, *size))
    _, multiply_adds, memory_access = (sum(layer[i] for layer in layers) for i in range(3))
    return Cost(count_parameters(operation), multiply_adds, memory_access)


POOLS = (nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d)


def slot_costs(
    cell: CellSpace,
    skeleton: Skeleton,
    image_size: int | None = None,
    norms: Norms = SEARCH_NORMS,
    pools: bool = True,
) -> list[tuple[CellSlot, list[list[Cost]]]]:
    """Return the costs of all candidates of all cells, edges x operations for each cell.

    Args:
        cell: the cell space.
        skeleton: the skeleton, with its size.
        image_size: height and width of the images, by default those of the skeleton.
        norms: how the layers of candidates are normalised.
        pools: as for :func:`operation_cost`.
    """
    costs = []
    size = _size_after_stem(skeleton, image_size or skeleton.image_size)
    for slot in skeleton.slots():
        smaller = tuple(-(-length // step) for length, step in zip(size, slot.stride, strict=True))
        if not slot.block:
            rows = []
            for predecessor, _ in cell.edges:
                inside = predecessor >= cell.inputs
                stride, map_size = ((1,) * len(size), smaller) if inside else (slot.stride, size)
                rows.append(
                    [operation_cost(o, slot.width, stride, map_size, norms, pools) for o in cell.operations]
                )
            costs.append((slot, rows))
        size = smaller
    return costs


def mean_by_kind(space: Space, costs: Sequence[tuple[CellSlot, list[list[float]]]]) -> dict[str, Tensor]:
    """Return the means of numbers of all candidates over the cells of each kind, edges x operations."""
    return {
        kind: torch.tensor([rows for slot, rows in costs if slot.kind == kind]).mean(0)
        for kind in space.kinds
    }


def _size_after_stem(skeleton: Skeleton, image_size: int) -> tuple[int, ...]:
    with torch.device("meta"), torch.no_grad():
        stack = CellStack(skeleton, _NoCell, classes=1, channels=3).eval()
        _, first = stack.stem(torch.empty(1, 3, *skeleton.input_size(image_size)))
    return tuple(first.shape[2:])


class _NoCell(nn.Module):
    """Stand-in for a cell, to build a skeleton without cells."""

    def __init__(self, slot: CellSlot, inputs: object) -> None:
        super().__init__()
        self.outputs = slot.width


def strongest(weights: Sequence[float], there: Sequence[bool], count: int) -> tuple[bool, ...]:
    """Return the mask of the ``count`` strongest operations of an edge; ties go to the first in order."""
    ranked = sorted((o for o, a in enumerate(there) if a), key=lambda o: -weights[o])[:count]
    return tuple(o in ranked for o in range(len(weights)))


def dearest(cell: CellSpace, count: int) -> Alive:
    """Return the mask of the operations with most multiply-adds, the same on every edge."""
    if count == len(cell.operations):
        return all_alive(cell)
    costs = [-operation_cost(name, 8, (1, 1), (8, 8)).multiply_adds for name in cell.operations]
    return (strongest([-c for c in costs], [True] * len(costs), count),) * len(cell.edges)
