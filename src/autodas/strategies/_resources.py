"""What candidates cost: parameters, multiply-adds, memory access."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autodas.networks import CellStack, count_parameters
from autodas.operations import SEARCH_NORMS, Norms, build
from autodas.spaces import CellSlot, CellSpace, Skeleton, Space


class Cost(NamedTuple):
    """Cost of one candidate on one picture.

    Attributes:
        parameters: of its convolutions, and of normalisation where that has some.
        multiply_adds: of its convolutions; of a pool one for each entry of each window.
        memory_access: entries that its convolutions and pools read and write, weights included.
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
    """Return what an operation costs; nothing is computed.

    Args:
        name: a registered name.
        channels: of its input and output.
        stride: along each dimension.
        size: of the map that it reads.
        norms: how its layers are normalised.
        pools: whether pools count, beside convolutions.
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
        cell: the candidates.
        skeleton: with its size.
        image_size: height and width of the pictures, by default those that the skeleton was made for.
        norms: how the layers of candidates are normalised.
        pools: as for :func:`operation_cost`.
    """
    found = []
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
            found.append((slot, rows))
        size = smaller
    return found


def mean_by_kind(space: Space, costs: Sequence[tuple[CellSlot, list[list[float]]]]) -> dict[str, Tensor]:
    """Return numbers of all candidates, edges x operations, as the mean over the cells of each kind."""
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
    """What a skeleton without cells is made of."""

    def __init__(self, slot: CellSlot, inputs: object) -> None:
        super().__init__()
        self.outputs = slot.width
